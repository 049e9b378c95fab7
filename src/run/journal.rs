//! The journal: one JSON object a line, appended before anyone sees the event.
//!
//! A record counts once its newline is in the file. What a crash leaves after the last newline is a torn
//! line: readers drop and report it, and [`Journal::open`] cuts it off. Anything else that is no record is
//! damage, and refused with its place, since a fold over a journal with a hole would show another run.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::lock::{Holder, Lock};
use super::sound::Soundness;
use crate::lab::{Event, JOURNAL_VERSION, Record};
use crate::{Error, Result, files};

/// A journal open for appending. Holds the run's lock, so that no two labs work on one run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Before the file, with which the system's lock goes: what is free has no lock of ours any more.
    _lock: Lock,
    file: File,
    /// A line was begun that is not whole, and could not be taken back.
    torn: bool,
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
    /// The process that worked on the run and ended without giving it back; only [`Journal::open`] tells.
    pub gone: Option<Holder>,
}

impl Reading {
    /// What whoever goes on should know, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let gone = self.gone.as_ref().map(|holder| {
            format!("the run was left without a word by {holder}: its lock is replaced")
        });
        let torn = self.torn.as_ref().map(Torn::to_string);
        gone.into_iter().chain(torn).collect()
    }
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
        let taken = Lock::take(&file, folder_of(path))
            .and_then(|taken| files::sync_folder(folder_of(path)).map(|()| taken));
        // One that was not begun is no hindrance to the next attempt.
        let (lock, _) = taken.inspect_err(|_| drop(fs::remove_file(path)))?;
        Ok(Self {
            path: path.to_path_buf(),
            _lock: lock,
            file,
            torn: false,
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
        let (lock, gone) = Lock::take(&file, folder_of(path))?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(Error::io(path))?;
        let mut reading = parse(path, &bytes)?;
        reading.gone = gone;
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
            _lock: lock,
            file,
            torn: false,
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
        self.write(&line, is_life_cycle(&record.event))
            .map_err(Error::io(&self.path))?;
        self.length += line.len() as u64;
        self.next += 1;
        Ok(record)
    }

    /// A whole line behind the whole ones that are there. What was half written is taken back; where that fails too,
    /// before the next line is written, and a reader finds a torn one until then.
    fn write(&mut self, line: &[u8], sync: bool) -> std::io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let written = self.file.write_all(line).and_then(|()| match sync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        if written.is_err() {
            self.torn = self.file.set_len(self.length).is_err();
        }
        written
    }

    /// Refuses where the file at the journal's path is not the one any more that was opened: its folder was moved,
    /// deleted or replaced.
    ///
    /// # Errors
    /// [`Error::Io`]; it works again when the folder is back.
    pub fn in_place(&self) -> Result<()> {
        let gone = || {
            let text =
                "it is not there any more, or another file lies there: put the run's folder back";
            std::io::Error::new(ErrorKind::NotFound, text)
        };
        let same = |open: fs::Metadata, there: fs::Metadata| {
            (open.dev(), open.ino()) == (there.dev(), there.ino())
        };
        let there = fs::metadata(&self.path).map_err(|e| match e.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => gone(),
            _ => e,
        });
        let found = there.and_then(|there| match same(self.file.metadata()?, there) {
            true => Ok(()),
            false => Err(gone()),
        });
        found.map_err(Error::io(&self.path))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
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

fn is_life_cycle(event: &Event) -> bool {
    !matches!(
        event,
        Event::Step { .. } | Event::Watched { .. } | Event::Note { .. }
    )
}

/// The part of a record that every version of the format has.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Reading> {
    let (reading, damage) = scan(bytes);
    match damage {
        None => Ok(reading),
        Some(damage) => Err(damage.refusal(path)),
    }
}

/// All records up to the first damage, and that.
pub(super) fn scan(bytes: &[u8]) -> (Reading, Option<Damage>) {
    let mut reading = Reading::default();
    let damage = Scanner::default().scan(bytes, &mut reading);
    (reading, damage)
}

/// How far a journal was read.
#[derive(Debug, Default)]
struct Scanner {
    /// Records before.
    records: usize,
    /// Bytes before.
    offset: u64,
    sound: Soundness,
}

impl Scanner {
    /// Adds the records of `bytes`, which follow what was read before, to `reading`, up to a torn line or the first
    /// damage.
    fn scan(&mut self, bytes: &[u8], reading: &mut Reading) -> Option<Damage> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let line = self.records + 1;
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
                    offset: self.offset,
                    bytes: rest.len(),
                });
                return None;
            }
            let record = parse_line(text, self.records as u64).and_then(|record| {
                self.sound.check(&record.event).map_err(Reason::Damage)?;
                Ok(record)
            });
            match record {
                Ok(record) => reading.records.push(record),
                Err(reason) => {
                    return Some(Damage {
                        line,
                        offset: self.offset as usize,
                        reason,
                    });
                }
            }
            self.records += 1;
            self.offset += text.len() as u64 + 1;
            rest = &rest[text.len() + 1..];
        }
        None
    }
}

/// A journal that is read as it grows, whoever writes it: each time only what is new.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    scanner: Scanner,
    /// Device and number of the file that was read.
    file: Option<(u64, u64)>,
}

/// What [`Follower::advance`] found.
#[derive(Debug)]
pub struct Advance {
    /// Another journal lies there than before, or one that was cut off: what follows is all of it.
    pub anew: bool,
    /// What was not read before.
    pub records: Vec<Record>,
}

impl Follower {
    /// Nothing is read yet; the file need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            scanner: Scanner::default(),
            file: None,
        }
    }

    /// Reads what was written since the last call; a line that is not whole yet is left for the next one. Without a file
    /// there is nothing.
    ///
    /// # Errors
    /// As [`read`]; the records before the damage were given by then.
    pub fn advance(&mut self) -> Result<Advance> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let anew = self.file.take().is_some();
                self.scanner = Scanner::default();
                return Ok(Advance {
                    anew,
                    records: Vec::new(),
                });
            }
            Err(e) => return Err(Error::io(&self.path)(e)),
        };
        let of_file = |error| Error::io(&self.path)(error);
        let there = file.metadata().map_err(of_file)?;
        let identity = Some((there.dev(), there.ino()));
        let anew = identity != self.file || there.len() < self.scanner.offset;
        if anew {
            self.scanner = Scanner::default();
        }
        let mut bytes = Vec::new();
        if there.len() > self.scanner.offset {
            file.seek(SeekFrom::Start(self.scanner.offset))
                .and_then(|_| file.read_to_end(&mut bytes))
                .map_err(of_file)?;
        }
        let known = std::mem::replace(&mut self.file, identity).is_some();
        let mut reading = Reading::default();
        match self.scanner.scan(&bytes, &mut reading) {
            Some(damage) if reading.records.is_empty() => Err(damage.refusal(&self.path)),
            _ => Ok(Advance {
                anew: anew && known,
                records: reading.records,
            }),
        }
    }
}

/// Where a journal ceases to be one.
#[derive(Debug)]
pub(super) struct Damage {
    /// Number of the line, from 1.
    pub line: usize,
    /// Byte at which it begins, from 0.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a line is not one of a run.
#[derive(Debug)]
pub(super) enum Reason {
    /// It is of this later version of the format.
    Version(u32),
    /// It is no record, or none that can follow those before it.
    Damage(String),
}

impl Damage {
    pub(super) fn refusal(&self, path: &Path) -> Error {
        let (file, run) = (path.display(), files::word(folder_of(path)));
        let (line, offset) = (self.line, self.offset);
        Error::input(match &self.reason {
            Reason::Version(v) => format!(
                "{file} has version {v} of the journal's format and this program reads up to \
                 {JOURNAL_VERSION}: open the run with the pentimento that made it"
            ),
            Reason::Damage(what) => format!(
                "{file} is damaged at line {line}, byte {offset}: {what}; restore the file from a copy, or see by \
                 `pentimento doctor {run}` what can be saved"
            ),
        })
    }
}

fn parse_line(text: &[u8], seq: u64) -> Result<Record, Reason> {
    let damage = |e: serde_json::Error| {
        // serde_json's "at line 1 column n" would name a line that is not the file's.
        let message = e.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        Reason::Damage(format!("the line is no record ({what})"))
    };
    let Version { v } = serde_json::from_slice(text).map_err(damage)?;
    let record: Record = match v {
        JOURNAL_VERSION => serde_json::from_slice(text).map_err(damage)?,
        newer if newer > JOURNAL_VERSION => return Err(Reason::Version(newer)),
        // The first version is the present one: an older one would become a present record here.
        older => {
            let what = format!("there never was a version {older} of the format");
            return Err(Reason::Damage(what));
        }
    };
    if record.seq != seq {
        return Err(Reason::Damage(format!(
            "record {seq} was expected and record {} found",
            record.seq
        )));
    }
    Ok(record)
}

#[cfg(test)]
mod tests;
