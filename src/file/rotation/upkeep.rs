//! The upkeep of a log's rotated files: they are compressed, those that are not kept are deleted, and what a crash
//! left is cleaned up. It runs on a thread that no log call waits for.
//!
//! The invariant: a file that a process may still write to is not touched; a later pass tries it again. The same
//! holds on Windows for a file that a reader has open.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::age::{self, RotatedFile};
use super::gzip::{compress, is_marked, Outcome};
use super::keep::to_delete;
use super::names::RotatedName;
use super::pairs::{Pair, Pairs};
use super::twin::{self, Twin};
use super::{Compress, Keep, Rotation, RotationState};
use crate::clock::Time;
use crate::file::root::RootDir;
use crate::file::{sys, LogFile};
use crate::process::upkeep::{self, Next, Upkeep};
use crate::stats::FileCounters;

impl LogFile {
    /// Asks for a pass over the rotated files. `time` is the time of the record that caused the request.
    pub(in crate::file) fn ask_for_upkeep(&self, time: Time) {
        let Some(state) = &self.rotation else { return };
        state.upkeep_second.store(time.seconds(), Ordering::Relaxed);
        // There is one request at a time: its pass begins after this call, and so sees what caused this call.
        if !state.upkeep_is_due.swap(true, Ordering::AcqRel) {
            let me: Weak<LogFile> = Weak::clone(self.last_syncs.log());
            upkeep::ask(me);
        }
    }

    /// Asks for a pass when the log is opened for the first time: a crash may have left files to clean up.
    pub(in crate::file) fn ask_for_first_upkeep(&self, time: Time) {
        let had_upkeep = |state: &RotationState| state.had_upkeep.swap(true, Ordering::Relaxed);
        if !self.rotation.as_deref().is_none_or(had_upkeep) {
            self.ask_for_upkeep(time);
        }
    }
}

impl Upkeep for LogFile {
    fn run(self: Arc<LogFile>) -> Next {
        sys::lower_priority();
        if let Some(state) = &self.rotation {
            state.upkeep_is_due.store(false, Ordering::Release);
        }
        self.upkeep_pass(&Instant::now)
    }
}

impl LogFile {
    pub(super) fn upkeep_pass(&self, clock: &dyn Fn() -> Instant) -> Next {
        let (Some(rotation), Some(state)) = (self.root.rotation(), &self.rotation) else {
            return Next::Done;
        };
        let now = state.upkeep_second.load(Ordering::Relaxed);
        let mut pass = Pass {
            root: &self.root,
            relative: self.relative(),
            counters: &self.counters,
            pairs: &state.pairs,
            clock,
            next: Next::Done,
        };
        let result = pass.run(rotation, now).map(|()| true);
        pass.checked(result);
        pass.next
    }
}

/// One pass over all rotated files of a log.
struct Pass<'a> {
    root: &'a RootDir,
    relative: &'a Path,
    counters: &'a FileCounters,
    pairs: &'a Pairs,
    /// A pass can take long, so the clock is read at each look at a pair.
    clock: &'a dyn Fn() -> Instant,
    next: Next,
}

impl Pass<'_> {
    /// What is not kept is not compressed first: a program that ends soon gets on with it. Only how many bytes a file
    /// has is not known before.
    fn run(&mut self, rotation: Rotation, now: i64) -> io::Result<()> {
        self.remove_unfinished()?;
        let by_size = matches!(rotation.keep, Keep::Bytes(_));
        if !by_size {
            self.delete_what_is_not_kept(rotation.keep, now)?;
        }
        self.compress_all(rotation.compress)?;
        if by_size {
            self.delete_what_is_not_kept(rotation.keep, now)?;
        }
        Ok(())
    }

    fn names(&self) -> io::Result<BTreeSet<RotatedName>> {
        Ok(self.root.rotated_names(self.relative)?.into_iter().collect())
    }

    /// Removes what a crash left of a compressed file. A process that is writing such a file has the plain file locked.
    fn remove_unfinished(&mut self) -> io::Result<()> {
        for plain in self.root.unfinished_names(self.relative)? {
            let unfinished = plain.unfinished_beside(self.relative);
            let is_regular = self.root.below()?.metadata(&unfinished).is_ok_and(|it| it.is_file());
            if !is_regular {
                continue;
            }
            let removed = match self.root.lock_rotated(self.relative, plain) {
                Ok(None) => Ok(false),
                // If the plain file is gone, another program has moved or removed it.
                Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
                _locked => self.root.remove_beside(&unfinished),
            };
            self.checked(removed);
        }
        Ok(())
    }

    fn compress_all(&mut self, compress: Compress) -> io::Result<()> {
        let names = self.names()?;
        self.pairs.retain(|plain| names.contains(&plain) && names.contains(&plain.compressed()));
        for plain in names.iter().filter(|name| !name.is_gzip()) {
            let has_compressed = names.contains(&plain.compressed());
            match compress {
                Compress::Gzip => self.compress(*plain),
                Compress::None if has_compressed => self.remove_compressed_of(*plain),
                Compress::None => {}
            }
        }
        Ok(())
    }

    fn delete_what_is_not_kept(&mut self, keep: Keep, now: i64) -> io::Result<()> {
        let mut files = self.files(&self.names()?);
        let present = self.present(now);
        // A clock that was ahead for a while has left these. They would take the place of the files of now.
        files.retain(|file| file.name.period().start() <= present);
        let verdict = to_delete(keep, &files, now);
        if verdict.more {
            self.next = Next::Later;
        }
        for name in verdict.delete {
            self.delete(name);
        }
        Ok(())
    }

    /// Lists each file once: if it exists both plain and compressed, the plain file counts.
    fn files(&self, names: &BTreeSet<RotatedName>) -> Vec<RotatedFile> {
        let counts = |name: &&RotatedName| !name.is_gzip() || !names.contains(&name.plain());
        let file = |name: &RotatedName| {
            let metadata = self.root.rotated_metadata(self.relative, *name).ok()??;
            Some(RotatedFile::of(*name, &metadata))
        };
        names.iter().filter(counts).filter_map(file).collect()
    }

    /// The present second by the clock that gives the files their times. It can be ahead of the record's clock: a
    /// share has its server's clock, and a record may have waited in a queue. One that is ahead by more than a day
    /// is wrong.
    fn present(&self, now: i64) -> i64 {
        const DAY: i64 = 86_400;
        let log = self.root.below().and_then(|below| below.metadata(self.relative));
        let written = log.map_or(now, |log| age::seconds(log.modified().ok()));
        written.clamp(now, now.saturating_add(DAY))
    }

    fn is_regular(&self, name: RotatedName) -> bool {
        matches!(self.root.rotated_metadata(self.relative, name), Ok(Some(_)))
    }

    /// The plain file and its compressed file, if both exist and another program is done with them.
    fn settled(&self, plain: RotatedName) -> io::Result<Option<Pair>> {
        let Some(pair) = Pair::of(self.root, self.relative, plain)? else { return Ok(None) };
        let is_settled = self.pairs.is_settled(plain, pair, (self.clock)())
            || (pair.plain_is_older && is_marked(self.root, self.relative, plain)?);
        Ok(is_settled.then_some(pair))
    }

    fn compress(&mut self, plain: RotatedName) {
        if self.is_regular(plain) {
            let settled = self.settled(plain);
            let compressed =
                settled.and_then(|settled| compress(self.root, self.relative, plain, settled));
            let done = match compressed {
                Ok(Outcome::LeftAlone) => return upkeep::step(),
                done => done.map(|outcome| outcome == Outcome::Done),
            };
            self.counters.compressed.add(u64::from(self.checked(done)));
        }
    }

    /// Removes a compressed file that a crash left beside the plain one, when files were compressed by an earlier
    /// setting. A file that differs from the plain one stays.
    fn remove_compressed_of(&mut self, plain: RotatedName) {
        let settled = self.settled(plain);
        let removed = settled.and_then(|settled| {
            let Some(lock) = self.root.lock_rotated(self.relative, plain)? else {
                return Ok(Some(false));
            };
            // On Windows the identity keeps the file open: it is dropped before the removal.
            match twin::inspect(self.root, self.relative, plain, lock.file(), settled)? {
                Twin::Same(_) => {}
                Twin::InUse => return Ok(Some(false)),
                Twin::None | Twin::Other => return Ok(None),
            }
            self.root.remove_rotated(self.relative, plain.compressed()).map(Some)
        });
        if let Some(removed) = removed.transpose() {
            self.checked(removed);
        }
    }

    fn delete(&mut self, name: RotatedName) {
        let removed = if name.is_gzip() {
            self.root.remove_rotated(self.relative, name)
        } else {
            self.delete_plain(name)
        };
        self.counters.deleted.add(u64::from(self.checked(removed)));
    }

    /// Removes a plain file. A part of its compressed file is removed first: it would count as the file without the
    /// plain one.
    fn delete_plain(&self, name: RotatedName) -> io::Result<bool> {
        let Some(_lock) = self.root.lock_rotated(self.relative, name)? else { return Ok(false) };
        let compressed = name.compressed();
        let compressed_is_gone =
            !self.is_regular(compressed) || self.root.remove_rotated(self.relative, compressed)?;
        Ok(compressed_is_gone && self.root.remove_rotated(self.relative, name)?)
    }

    /// Whether something was done. If another process has the file open, or the operation failed, a later pass tries
    /// again.
    fn checked(&mut self, done: io::Result<bool>) -> bool {
        upkeep::step();
        match done {
            Ok(true) => return true,
            Ok(false) => self.next = Next::Later,
            // Another process was faster.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => {
                self.counters.upkeep_failures.add(1);
                // Another user's file stays another user's.
                if err.kind() != io::ErrorKind::PermissionDenied {
                    self.next = Next::Later;
                }
            }
        }
        false
    }
}
