//! [`setters`]: the keys as a builder's methods.

/// Declares the setters that every builder has. The argument is the path of fields from the builder to its
/// configuration.
macro_rules! setters {
    ($($config:ident)*) => {
        /// The host's part of the file's name: one to 128 portable filename characters.
        /// `$ENV{NAME}` expands. Default: this machine's name, read once for the life of the process.
        pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
            self$(.$config)*.hostname = Some(hostname.into());
            self
        }

        /// Where below `local_root`. `{equipment_id}`, `{hostname}` and any tag of the record are
        /// replaced by their values. Default: `{equipment_id}/.exlab-wizard/wizard.{hostname}.log`.
        pub fn path(mut self, path: impl Into<String>) -> Self {
            self$(.$config)*.path = Some(path.into());
            self
        }

        /// Which equipment gets the records of a log target and of the targets below it, if nothing else
        /// names the equipment: the record, a scope, or log4rs's MDC. The longest target that fits counts. Default: none.
        pub fn targets<T: Into<String>>(
            mut self,
            targets: impl IntoIterator<Item = (T, $crate::EquipmentId)>,
        ) -> Self {
            let targets = targets.into_iter().map(|(target, id)| (target.into(), id)).collect();
            self$(.$config)*.targets = targets;
            self
        }

        /// The equipment that gets the records that belong to no other. Default: these records are skipped.
        pub fn unscoped(mut self, equipment: $crate::EquipmentId) -> Self {
            self$(.$config)*.unscoped = Some(equipment);
            self
        }

        /// Less severe records are ignored, and counted as filtered. Default: `Trace`, which ignores none.
        pub fn level(mut self, level: ::log::LevelFilter) -> Self {
            self$(.$config)*.level = Some(level);
            self
        }

        /// Replaces `level` for single pieces of equipment, in both directions. Default: none.
        pub fn levels(
            mut self,
            levels: impl IntoIterator<Item = ($crate::EquipmentId, ::log::LevelFilter)>,
        ) -> Self {
            self$(.$config)*.levels = levels.into_iter().collect();
            self
        }

        /// How finely our line tells the time. Default: seconds.
        pub fn precision(mut self, precision: $crate::Precision) -> Self {
            self$(.$config)*.precision = Some(precision);
            self
        }

        /// What becomes of control characters inside a record. Default: they are escaped.
        pub fn control_characters(mut self, control: $crate::ControlCharacters) -> Self {
            self$(.$config)*.control_characters = Some(control);
            self
        }

        /// Records at this level or worse are on disk when the log call returns. `Off`: no record is synced. Default:
        /// `Error`.
        pub fn fsync_level(mut self, level: ::log::LevelFilter) -> Self {
            self$(.$config)*.fsync_level = Some(level);
            self
        }

        /// Whether a link below `local_root` may lead out of it. Default: `false`.
        pub fn follow_links(mut self, follow: bool) -> Self {
            self$(.$config)*.follow_links = Some(follow);
            self
        }

        /// Unix: the mode of a new file, less the umask. Default: `0o644`.
        pub fn file_mode(mut self, mode: u32) -> Self {
            self$(.$config)*.file_mode = Some(mode);
            self
        }

        /// Unix: the mode of a new folder, less the umask. Default: `0o755`.
        pub fn dir_mode(mut self, mode: u32) -> Self {
            self$(.$config)*.dir_mode = Some(mode);
            self
        }

        /// How many files may be open. If there are more, the least recently used are closed. Default: half of the
        /// soft limit of descriptors, shared by all sinks of the process without this key.
        pub fn max_open_files(mut self, files: usize) -> Self {
            self$(.$config)*.max_open_files = Some(files);
            self
        }

        /// A file that had no record for this long is closed, also when nothing else is logged. Its next record opens
        /// it again. Default: a file stays open.
        pub fn idle_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self$(.$config)*.idle_timeout = Some(timeout);
            self
        }

        /// When a log begins a new file, and what becomes of the rotated ones. Several processes may write to one
        /// log. Default: the file grows.
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
