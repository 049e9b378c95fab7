//! The journal: one JSON object a line, appended before anyone sees the event.
//!
//! A record counts once its newline is in the file. What a crash leaves after the last newline is a torn
//! line: readers drop and report it, and [`Journal::open`] cuts it off. Anything else that is no record is
//! damage, and refused with its place, since a fold over a journal with a hole would show another run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::sound::Soundness;
use crate::lab::{Event, JOURNAL_VERSION, Record};
use crate::{Error, Result, files};

/// A journal open for appending. Holds the file's lock, so that no two labs work on one run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole records.
    length: u64,
    /// `seq` of the next record.
    next: u64,
}

/// What a journal file holds.
#[derive(Debug, Default)]
pub struct Reading {
    /// Its records, `seq` 0, 1, 2, …
    pub records: Vec<Record>,
    /// The line that was being written when the program ended, if there is one.
    pub torn: Option<Torn>,
}

/// A last line that was never finished; not part of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Its number, from 1.
    pub line: usize,
    /// Byte at which it begins, from 0.
    pub offset: u64,
    /// Its bytes.
    pub bytes: usize,
}

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the journal's last line ({}, at byte {}) was cut off while it was written and is left out",
            self.line, self.offset
        )
    }
}

impl Journal {
    /// Begins the journal of a new run.
    ///
    /// # Errors
    /// [`Error::Input`] if there is one already.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::AlreadyExists => Error::input(format!(
                    "{} exists already: it belongs to another run",
                    path.display()
                )),
                _ => Error::io(path)(e),
            })?;
        lock(&file, path)?;
        files::sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            length: 0,
            next: 0,
        })
    }

    /// Opens a run's journal for appending and cuts off a torn last line.
    ///
    /// # Errors
    /// [`Error::Input`] if it is damaged, of a newer version, or in the hands of another process.
    pub fn open(path: &Path) -> Result<(Self, Reading)> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(path)
            .map_err(Error::io(path))?;
        lock(&file, path)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(Error::io(path))?;
        let reading = parse(path, &bytes)?;
        let length = reading
            .torn
            .as_ref()
            .map_or(bytes.len() as u64, |t| t.offset);
        if reading.torn.is_some() {
            file.set_len(length)
                .and_then(|()| file.sync_all())
                .map_err(Error::io(path))?;
        }
        let journal = Self {
            path: path.to_path_buf(),
            file,
            length,
            next: reading.records.len() as u64,
        };
        Ok((journal, reading))
    }

    /// Appends an event under the present time. When this returns, the record is in the file; life-cycle
    /// events (all but steps, watches and notes) are on the disk, too.
    ///
    /// # Errors
    /// [`Error::Io`] as the system says, a full disk for example; what was half written is taken back.
    pub fn append(&mut self, event: Event) -> Result<Record> {
        self.append_at(format!("{:.3}", jiff::Timestamp::now()), event)
    }

    /// Appends an event of another run under the time at which it happened there.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_at(&mut self, time: String, event: Event) -> Result<Record> {
        let record = Record {
            v: JOURNAL_VERSION,
            seq: self.next,
            time,
            event,
        };
        let mut line = to_line(&record)?.into_bytes();
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| {
            if is_life_cycle(&record.event) {
                self.file.sync_data()
            } else {
                Ok(())
            }
        });
        if let Err(error) = written {
            // Best effort: if this fails as well, the next reader finds a torn line.
            let _ = self.file.set_len(self.length);
            return Err(Error::io(&self.path)(error));
        }
        self.length += line.len() as u64;
        self.next += 1;
        Ok(record)
    }
}

/// A record as it stands in the journal, without the end of the line. What a terminal would act upon in names from
/// elsewhere is written as JSON's `\u…`: a journal is read on terminals, too.
///
/// # Errors
/// [`Error::Internal`] where it cannot be written as JSON.
pub fn to_line(record: &Record) -> Result<String> {
    let json = serde_json::to_string(record)
        .map_err(|e| Error::internal(format!("an event could not be written as JSON: {e}")))?;
    Ok(files::plain_json(json))
}

/// Reads a run's journal, also while a lab is writing it.
///
/// # Errors
/// [`Error::Input`] if it is damaged or of a newer version.
pub fn read(path: &Path) -> Result<Reading> {
    parse(path, &files::read(path)?)
}

/// Whether a lab, of this process or another, is at work on the run of this journal.
pub fn is_in_use(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(Error::io(path))?;
    Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn is_life_cycle(event: &Event) -> bool {
    !matches!(
        event,
        Event::Step { .. } | Event::Watched { .. } | Event::Note { .. }
    )
}

/// Only a lock that somebody else holds matters: a file system without locks still gets its run.
fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::input(format!(
            "the run {} is being worked on by another pentimento: stop that one first",
            path.parent().unwrap_or(path).display()
        ))),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// The part of a record that every version of the format has.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Reading> {
    let mut reading = Reading::default();
    let mut sound = Soundness::default();
    let mut offset = 0;
    while offset < bytes.len() {
        let rest = &bytes[offset..];
        let line = reading.records.len() + 1;
        let end = rest.iter().position(|&b| b == b'\n');
        let text = &rest[..end.unwrap_or(rest.len())];
        let is_last = end.is_none_or(|end| end + 1 == rest.len());
        // A last line with a newline that is not even JSON is torn, too: after a power cut the end of a
        // line can be on the disk without its beginning.
        if end.is_none()
            || (is_last && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err())
        {
            reading.torn = Some(Torn {
                line,
                offset: offset as u64,
                bytes: rest.len(),
            });
            break;
        }
        let record = parse_line(text, reading.records.len() as u64)
            .map_err(|reason| refusal(path, line, offset, &reason))?;
        sound
            .check(&record.event)
            .map_err(|what| refusal(path, line, offset, &Refusal::Damage(what)))?;
        reading.records.push(record);
        offset += text.len() + 1;
    }
    Ok(reading)
}

fn refusal(path: &Path, line: usize, offset: usize, reason: &Refusal) -> Error {
    let file = path.display();
    Error::input(match reason {
        Refusal::Version(v) => format!(
            "{file} has version {v} of the journal's format and this program reads up to \
             {JOURNAL_VERSION}: open the run with the pentimento that made it"
        ),
        Refusal::Damage(what) => format!(
            "{file} is damaged at line {line}, byte {offset}: {what}; restore the file from a copy, or \
             cut it off before that byte"
        ),
    })
}

enum Refusal {
    Version(u32),
    Damage(String),
}

fn parse_line(text: &[u8], seq: u64) -> Result<Record, Refusal> {
    let damage = |e: serde_json::Error| {
        // serde_json's "at line 1 column n" would name a line that is not the file's.
        let message = e.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        Refusal::Damage(format!("the line is no record ({what})"))
    };
    let Version { v } = serde_json::from_slice(text).map_err(damage)?;
    if v > JOURNAL_VERSION {
        return Err(Refusal::Version(v));
    }
    let record: Record = serde_json::from_slice(text).map_err(damage)?;
    if record.seq != seq {
        return Err(Refusal::Damage(format!(
            "record {seq} was expected and record {} found",
            record.seq
        )));
    }
    Ok(record)
}

#[cfg(test)]
mod tests;
