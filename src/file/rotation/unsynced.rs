//! [`UnsyncedFiles`]: the files that this process has written to and uses no longer. Any process may have rotated them
//! meanwhile. `sync()` covers them.
//!
//! The invariant: a file is forgotten after a sync of it that began when no thread was writing to it any more, or when
//! it was compressed: the compressed file is on disk before the plain file is removed.

use std::sync::{Arc, Mutex, Weak};

use crate::error::{Error, Operation};
use crate::file::open::OpenFile;
use crate::file::{sys, LogFile};
use crate::locks::LockExt as _;

/// How many files are known one by one. If there are more, every rotated file that is not compressed is synced.
const KNOWN: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct UnsyncedFiles(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    known: Vec<sys::FileKey>,
    /// Whether there are files beside the known ones.
    more: bool,
}

impl UnsyncedFiles {
    fn add(&self, key: Option<sys::FileKey>) {
        let mut files = self.0.lock_any();
        match key {
            Some(key) if files.known.contains(&key) => {}
            Some(key) if files.known.len() < KNOWN => files.known.push(key),
            _ => files.more = true,
        }
    }
}

impl LogFile {
    /// How many files the next `sync` looks for among the rotated ones. Where they are not known one by one, all count as
    /// one.
    #[cfg(test)]
    pub(in crate::file) fn unsynced_files(&self) -> usize {
        self.rotation.as_ref().map_or(0, |state| {
            let files = state.unsynced.0.lock_any();
            files.known.len() + usize::from(files.more)
        })
    }

    /// Notes that a descriptor was retired: `sync()` must sync its file, wherever it is then.
    pub(in crate::file) fn retired_unsynced(&self, open: &OpenFile) {
        if let Some(state) = &self.rotation {
            state.unsynced.add(sys::file_key(&open.identity));
        }
    }

    /// Syncs what was written before this process or another one rotated the log.
    pub(in crate::file) fn sync_rotated(&self) -> Result<(), Error> {
        let Some(state) = &self.rotation else { return Ok(()) };
        let (files, in_use) = {
            // A descriptor that is retired now is in both lists, or in none.
            let retired = self.retired_in_use.lock_any();
            let files = std::mem::take(&mut *state.unsynced.0.lock_any());
            let in_use: Vec<Arc<OpenFile>> = retired.iter().filter_map(Weak::upgrade).collect();
            (files, in_use)
        };
        // A thread that has a retired descriptor may write after this sync: the next one covers it.
        in_use.iter().for_each(|open| self.retired_unsynced(open));
        if files.known.is_empty() && !files.more {
            return Ok(());
        }
        let synced = self.sync_those(&files);
        if synced.is_err() {
            // Which of the files are synced is not known.
            state.unsynced.add(None);
        }
        synced
    }

    fn sync_those(&self, files: &Files) -> Result<(), Error> {
        let relative = self.relative();
        let names = self.retry_with_a_descriptor_freed(|| {
            let names = self.root.rotated_names(relative);
            names.map_err(|err| Error::io(Operation::Inspect, &self.path, err))
        });
        let names = match names {
            Err(err) if err.is_not_found() => return Ok(()),
            names => names?,
        };
        for plain in names.into_iter().filter(|name| !name.is_gzip()) {
            let path = plain.beside(relative);
            let is_known = || {
                let key = sys::file_key_at(&self.root.path().join(&path));
                key.is_some_and(|key| files.known.contains(&key))
            };
            if !files.more && !is_known() {
                continue;
            }
            match self.retry_with_a_descriptor_freed(|| self.root.open_to_sync(&path)) {
                Ok(file) => self.sync_file(&file)?,
                Err(err) if err.is_not_found() => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }
}
