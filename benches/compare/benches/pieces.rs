//! What each step of a record's way costs, so that one that has grown slower is seen.

use std::cell::Cell;
use std::io;

use divan::{black_box, Bencher};
use equipment_log::fern::line_format;
use equipment_log::log4rs::EquipmentLineEncoder;
use equipment_log::{EquipmentScopedAppender, EquipmentSink, Scope};
use log4rs::encode::Encode;
use tempfile::TempDir;

fn main() {
    divan::main();
}

fn confocal() -> Scope {
    let scope = Scope::new("CONFOCAL_01").expect("an id").tag("proj", "PROJ-0042");
    scope.tag("kind", "experimental").tag("run", "R7")
}

mod scope {
    use super::*;

    #[divan::bench]
    fn new(bencher: Bencher) {
        bencher.bench_local(confocal);
    }

    #[divan::bench]
    fn current(bencher: Bencher) {
        let _in = confocal().enter();
        bencher.bench_local(Scope::current);
    }

    /// Entered and left, with three tags.
    #[divan::bench]
    fn enter(bencher: Bencher) {
        let scope = confocal();
        bencher.bench_local(|| scope.run(|| black_box(())));
    }

    /// The same, where an appender of log4rs may print the tags.
    #[divan::bench]
    fn enter_below_log4rs(bencher: Bencher) {
        let root = tempfile::tempdir().expect("a folder");
        let _appender = EquipmentScopedAppender::builder().build(root.path()).expect("an appender");
        let scope = confocal();
        bencher.bench_local(|| scope.run(|| black_box(())));
    }
}

mod line {
    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl io::Write for Nowhere {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(black_box(bytes).len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl log4rs::encode::Write for Nowhere {}

    #[divan::bench]
    fn log4rs_encoder(bencher: Bencher) {
        encode(bencher, "axis Z homed");
    }

    #[divan::bench]
    fn log4rs_encoder_escapes(bencher: Bencher) {
        encode(bencher, "axis Z\thomed");
    }

    fn encode(bencher: Bencher, message: &str) {
        let encoder = EquipmentLineEncoder::new("labpc-04");
        let _in = confocal().enter();
        bencher.bench_local(|| {
            let args = format_args!("{message}, step {}", black_box(1));
            let record = log::Record::builder().level(log::Level::Info).args(args).build();
            encoder.encode(&mut Nowhere, &record).expect("a line");
        });
    }

    #[divan::bench]
    fn fern_format(bencher: Bencher) {
        let nowhere = fern::Output::call(|record| {
            black_box(record);
        });
        let (_, logger) = fern::Dispatch::new().format(line_format()).chain(nowhere).into_log();
        let _in = confocal().enter();
        bencher.bench_local(|| {
            let args = format_args!("axis Z homed, step {}", black_box(1));
            logger.log(&log::Record::builder().level(log::Level::Info).args(args).build());
        });
    }
}

/// To find the file and append to it, the system call included.
mod append {
    use super::*;

    const LINE: &[u8] = b"2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:CONFOCAL_01] homed\n";

    fn sink(root: &TempDir) -> EquipmentSink {
        EquipmentSink::builder(root.path()).max_open_files(2_000).build().expect("a sink")
    }

    #[divan::bench(sample_size = 1_000)]
    fn bare_write(bencher: Bencher) {
        use io::Write;
        let mut file = tempfile::tempfile().expect("a file");
        bencher.bench_local(|| file.write_all(black_box(LINE)).expect("a line written"));
    }

    #[divan::bench(args = [1, 100, 1_000], sample_size = 1_000)]
    fn ready_line(bencher: Bencher, files: usize) {
        let root = tempfile::tempdir().expect("a folder");
        let sink = sink(&root);
        let scope = |i| Scope::new(format!("STAGE_{i:04}")).expect("an id");
        let scopes: Vec<Scope> = (0..files).map(scope).collect();
        for scope in &scopes {
            sink.write(scope, log::Level::Info, LINE).expect("a file opened");
        }
        let next = Cell::new(0);
        bencher.bench_local(|| {
            let i = next.replace((next.get() + 1) % files);
            sink.write(&scopes[i], log::Level::Info, black_box(LINE)).expect("a line written");
        });
    }

    #[divan::bench(sample_size = 1_000)]
    fn with_control_characters(bencher: Bencher) {
        let root = tempfile::tempdir().expect("a folder");
        let (sink, scope) = (sink(&root), confocal());
        let line = b"homed\tat 12.5 um\n";
        bencher.bench_local(|| sink.write(&scope, log::Level::Info, black_box(line)));
    }
}
