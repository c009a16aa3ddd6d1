//! [`setters`]: the keys as a builder's methods.
//!
//! Imports nothing: it is a text that each builder takes in.

/// The setters that every builder has, for the field of it that holds the configuration.
macro_rules! setters {
    ($($config:ident).+) => {
        /// The host's part of the file's name: one to 128 portable filename characters.
        /// `$ENV{NAME}` expands. Default: this machine's name, read once at `build`.
        pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
            self.$($config).+.hostname = Some(hostname.into());
            self
        }

        /// Where below `local_root`: `{equipment_id}`, `{hostname}` and any tag of the scope stand
        /// for their values. Default: `{equipment_id}/.exlab-wizard/wizard.{hostname}.log`.
        pub fn path(mut self, path: impl Into<String>) -> Self {
            self.$($config).+.path = Some(path.into());
            self
        }

        /// Records at this level or worse are on disk when the log call returns; `Off`: none are.
        /// Default: `Error`.
        pub fn fsync_level(mut self, level: ::log::LevelFilter) -> Self {
            self.$($config).+.fsync_level = Some(level.to_string());
            self
        }

        /// What becomes of control characters inside a record. Default: they are escaped.
        pub fn control_characters(mut self, control: $crate::ControlCharacters) -> Self {
            self.$($config).+.control_characters = Some(control.key().to_owned());
            self
        }

        /// Whether a link below `local_root` may lead out of it. Default: `false`.
        pub fn follow_links(mut self, follow: bool) -> Self {
            self.$($config).+.follow_links = Some(follow.to_string());
            self
        }

        /// Unix: the mode of a new file, less the umask. Default: `0o644`.
        pub fn file_mode(mut self, mode: u32) -> Self {
            self.$($config).+.file_mode = Some(format!("{mode:o}"));
            self
        }

        /// Unix: the mode of a new folder, less the umask. Default: `0o755`.
        pub fn dir_mode(mut self, mode: u32) -> Self {
            self.$($config).+.dir_mode = Some(format!("{mode:o}"));
            self
        }

        /// How many files may be open: the least recently used are closed beyond it. Default: half
        /// of the soft limit of descriptors.
        pub fn max_open_files(mut self, files: usize) -> Self {
            self.$($config).+.max_open_files = Some(files.to_string());
            self
        }

        /// A file without a record for so long is closed, also when nothing else is logged, and opened
        /// again at its next record. Default: a file stays open.
        pub fn idle_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            let timeout = ::humantime::format_duration(timeout).to_string();
            self.$($config).+.idle_timeout = Some(timeout);
            self
        }

        /// When a log begins a new file, and what becomes of the rotated ones. Safe where several
        /// processes write to it. Default: the file grows.
        pub fn rotation(mut self, rotation: $crate::RotationConfig) -> Self {
            self.$($config).+.rotation = Some(rotation);
            self
        }

        /// A thread of this sink's that writes, so that the logging thread only hands its record
        /// over. A file system that stalls then holds up the records of all equipment, not of its own
        /// alone. Default: none, the logging thread writes.
        pub fn queue(mut self, queue: $crate::QueueConfig) -> Self {
            self.$($config).+.queue = Some(queue);
            self
        }
    };
}
pub(crate) use setters;
