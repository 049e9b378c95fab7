//! Looks at the machine: processors and memory as the system tells them, GPUs as NVIDIA's library does.

use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::machine::{Gpu, Sample};
use crate::memory;

/// Between two samples; shorter than the system's own counters are good for would be noise.
pub const PERIOD: Duration = Duration::from_secs(1);

/// What samples are taken with. It may wait for a driver, so it belongs on a thread of its own.
pub struct Sampler {
    system: System,
    process: Option<Pid>,
    gpus: Result<Nvml, &'static str>,
}

impl Sampler {
    /// Finds the GPUs' library, if there is one.
    pub fn new() -> Self {
        Self {
            system: System::new(),
            process: sysinfo::get_current_pid().ok(),
            gpus: Nvml::init()
                .map_err(|_| "no GPU is seen: there is no library of NVIDIA's driver"),
        }
    }

    /// The machine now; what is busy is measured since the call before.
    pub fn sample(&mut self) -> Sample {
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
        let pids: Vec<Pid> = self.process.into_iter().collect();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
        let process = self.process.and_then(|pid| self.system.process(pid));
        let processors = self.system.cpus().len();
        let share = |percent: f32| f64::from(percent) / 100.0;
        let (machine_memory, memory) = memory::of(&self.system);
        Sample {
            processors,
            process_busy: process.map_or(0.0, |p| share(p.cpu_usage())),
            machine_busy: share(self.system.global_cpu_usage()) * processors as f64,
            process_memory: process.map_or(0, sysinfo::Process::memory),
            process_peak: memory::peak(),
            machine_memory,
            memory,
            gpus: self.gpus.as_ref().map_err(|why| *why).and_then(look_at),
        }
    }
}

fn look_at(nvml: &Nvml) -> Result<Vec<Gpu>, &'static str> {
    let count = nvml.device_count().unwrap_or(0);
    let devices = (0..count).filter_map(|i| nvml.device_by_index(i).ok());
    let gpus: Vec<Gpu> = devices
        .map(|device| Gpu {
            name: device
                .name()
                .unwrap_or_else(|_| "a GPU without a name".into()),
            busy: device
                .utilization_rates()
                .ok()
                .map(|u| f64::from(u.gpu) / 100.0),
            memory: device.memory_info().ok().map(|m| (m.used, m.total)),
            power: device.power_usage().ok().map(|mw| f64::from(mw) / 1000.0),
            temperature: device.temperature(TemperatureSensor::Gpu).ok(),
        })
        .collect();
    match gpus.is_empty() {
        true => Err("no GPU is seen: NVIDIA's driver knows none"),
        false => Ok(gpus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let mut sampler = Sampler::new();
        sampler.sample();
        let sample = sampler.sample();
        assert!(sample.processors > 0 && sample.memory >= sample.machine_memory);
        assert!(sample.process_memory > 0);
        assert!(sample.process_busy >= 0.0 && sample.machine_busy >= 0.0);
        // With a GPU or without.
        assert!(
            sample
                .gpus
                .map_or_else(|why| !why.is_empty(), |gpus| !gpus.is_empty())
        );
    }
}
