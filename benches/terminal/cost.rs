//! What the system tells of processors.

use std::fs;

/// Ticks a second in `/proc`, fixed for programs.
const TICKS: f64 = 100.0;
/// Seconds of processors.
#[derive(Clone, Copy)]
pub struct UiTime(pub f64);

/// What a process's main thread has used so far, where the system tells it: the screen is drawn there, and little else
/// is done.
pub fn ui_time(process: u32) -> Option<UiTime> {
    let stat = fs::read_to_string(format!("/proc/{process}/task/{process}/stat")).ok()?;
    // After the name in parentheses: user time is the twelfth field, the system's the thirteenth.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = times.filter_map(|t| t.parse::<f64>().ok()).sum();
    Some(UiTime(ticks / TICKS))
}

/// How many processors there are.
pub fn processors() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

/// What else the machine does.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg");
    load.map_or("not known".into(), |text| text.trim().to_owned())
}
