//! [`setters`]: the keys as a builder's methods.

/// Declares the setters that every builder has. The argument is the path of fields from the builder to its
/// configuration.
macro_rules! setters {
    ($($config:ident)*) => {
        /// Sets the host's part of the file's name: 1 to 128 of the characters `A-Z a-z 0-9 . _ -`. `$ENV{NAME}` is
        /// replaced by an environment variable. Default: this machine's name, which is read once.
        pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
            self$(.$config)*.hostname = Some(hostname.into());
            self
        }

        /// Sets the path of the file below `local_root`. `{equipment_id}`, `{hostname}` and the names of tags in braces
        /// are replaced by their values. Default: `{equipment_id}/.exlab-wizard/wizard.{hostname}.log`.
        pub fn path(mut self, path: impl Into<String>) -> Self {
            self$(.$config)*.path = Some(path.into());
            self
        }

        /// Sets the equipment for the records of a log target and of its submodules, if neither the record, a scope nor
        /// log4rs's MDC gives an equipment. If several targets match, the longest is used. Default: none.
        pub fn targets<T: Into<String>>(
            mut self,
            targets: impl IntoIterator<Item = (T, $crate::EquipmentId)>,
        ) -> Self {
            let targets = targets.into_iter().map(|(target, id)| (target.into(), id)).collect();
            self$(.$config)*.targets = targets;
            self
        }

        /// Sets the equipment for all records that have no other equipment. Default: these records are skipped.
        pub fn unscoped(mut self, equipment: $crate::EquipmentId) -> Self {
            self$(.$config)*.unscoped = Some(equipment);
            self
        }

        /// Sets the least severe level that is written. Less severe records are counted as `filtered`. Default:
        /// `Trace`.
        pub fn level(mut self, level: ::log::LevelFilter) -> Self {
            self$(.$config)*.level = Some(level);
            self
        }

        /// Replaces `level` for single pieces of equipment, by a more severe or a less severe level. Default: none.
        pub fn levels(
            mut self,
            levels: impl IntoIterator<Item = ($crate::EquipmentId, ::log::LevelFilter)>,
        ) -> Self {
            self$(.$config)*.levels = levels.into_iter().collect();
            self
        }

        /// Sets whether the time in the line of this crate has milliseconds. Default: seconds.
        pub fn precision(mut self, precision: $crate::Precision) -> Self {
            self$(.$config)*.precision = Some(precision);
            self
        }

        /// Sets how control characters inside a record are written. Default: they are escaped.
        pub fn control_characters(mut self, control: $crate::ControlCharacters) -> Self {
            self$(.$config)*.control_characters = Some(control);
            self
        }

        /// Sets which records are synced: those at this level, or at a more severe level. They are on disk when the log
        /// call returns or, with a queue and [`WhenDurable::Continue`](crate::WhenDurable::Continue), a moment later.
        /// `Off`: no record is synced. Default: `Error`.
        pub fn fsync_level(mut self, level: ::log::LevelFilter) -> Self {
            self$(.$config)*.fsync_level = Some(level);
            self
        }

        /// Sets whether a link below `local_root` may lead out of `local_root`. Default: `false`.
        pub fn follow_links(mut self, follow: bool) -> Self {
            self$(.$config)*.follow_links = Some(follow);
            self
        }

        /// Sets the permissions of a new file on Unix. The umask removes permissions from this value. Default: `0o644`.
        pub fn file_mode(mut self, mode: u32) -> Self {
            self$(.$config)*.file_mode = Some(mode);
            self
        }

        /// Sets the permissions of a new folder on Unix. The umask removes permissions from this value. Default:
        /// `0o755`.
        pub fn dir_mode(mut self, mode: u32) -> Self {
            self$(.$config)*.dir_mode = Some(mode);
            self
        }

        /// Sets how many files may be open. If one more file is needed, the least recently used file is closed.
        /// Default: half of the soft limit of descriptors, minus the limits of the sinks with this key, shared by all
        /// sinks of the process without it.
        pub fn max_open_files(mut self, files: usize) -> Self {
            self$(.$config)*.max_open_files = Some(files);
            self
        }

        /// Sets after how long without a record a file is closed, also if nothing else is logged. Its next record opens
        /// it again. Default: a file stays open.
        pub fn idle_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self$(.$config)*.idle_timeout = Some(timeout);
            self
        }

        /// Sets when a log begins a new file, and what happens to the rotated files. Several processes may write to one
        /// log, if all have the same value. Default: a log has one file, which grows.
        pub fn rotation(mut self, rotation: $crate::RotationConfig) -> Self {
            self$(.$config)*.rotation = Some(rotation);
            self
        }

        /// Gives the sink a thread that writes, so that the logging thread only queues its record. Default: the
        /// logging thread writes.
        pub fn queue(mut self, queue: $crate::QueueConfig) -> Self {
            self$(.$config)*.queue = Some(queue);
            self
        }
    };
}
pub(crate) use setters;
