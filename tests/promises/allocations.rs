//! The promise: a record costs no allocation once its file is open.
//!
//! Linux only: to see, twice a second, that a log was not moved, Windows wants its path made wide.

#![cfg(target_os = "linux")]

use allocation_counter::measure;
use equipment_log::{EquipmentSink, QueueConfig, Scope};
use log::Level;

/// How often this thread allocates during the hundred calls after the first two, which open the
/// file and grow the thread's buffer.
fn allocations_of(mut record: impl FnMut(u32)) -> u64 {
    (0..2).for_each(&mut record);
    measure(|| (0..100).for_each(record)).count_total
}

#[test]
fn an_allocation_is_counted() {
    assert_eq!(allocations_of(|step| drop(std::hint::black_box(Box::new(step)))), 100);
}

#[test]
fn a_ready_record_allocates_nothing() {
    let root = tempfile::tempdir().unwrap();
    let sink = EquipmentSink::builder(root.path()).build().unwrap();
    let scope = Scope::new("CONFOCAL_01").unwrap().tag("proj", "PROJ-0042");
    let allocations = allocations_of(|_| sink.write(&scope, Level::Info, b"stage homed").unwrap());
    assert_eq!(allocations, 0);
    assert_eq!(sink.stats().total.written, 102);
}

#[test]
fn a_durable_record_allocates_nothing() {
    let root = tempfile::tempdir().unwrap();
    let sink = EquipmentSink::builder(root.path()).build().unwrap();
    let scope = Scope::new("CONFOCAL_01").unwrap();
    ends_without_allocations(&sink, || sink.write(&scope, Level::Error, b"lamp out").unwrap());
}

/// A queue's memory grows while the writer is later than it ever was: that ends.
fn ends_without_allocations(sink: &EquipmentSink, record: impl Fn()) {
    let found = (0..100).any(|_| {
        sink.flush();
        allocations_of(|_| record()) == 0
    });
    assert!(found, "each of a hundred rounds allocated");
}

#[test]
fn a_record_of_many_equipments_in_turn_allocates_nothing() {
    let root = tempfile::tempdir().unwrap();
    let sink = EquipmentSink::builder(root.path()).build().unwrap();
    let scopes: Vec<_> = (0..64).map(|i| Scope::new(format!("STAGE_{i:02}")).unwrap()).collect();
    let allocations = allocations_of(|_| {
        scopes.iter().for_each(|scope| sink.write(scope, Level::Info, b"stage homed").unwrap());
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_queued_record_allocates_nothing() {
    let root = tempfile::tempdir().unwrap();
    let sink = EquipmentSink::builder(root.path()).queue(QueueConfig::new()).build().unwrap();
    let scopes: Vec<_> = (0..4).map(|i| Scope::new(format!("STAGE_{i:02}")).unwrap()).collect();
    ends_without_allocations(&sink, || {
        scopes.iter().for_each(|scope| sink.write(scope, Level::Info, b"stage homed").unwrap());
    });
}

#[test]
fn a_durable_record_that_is_queued_allocates_nothing_on_its_thread() {
    let root = tempfile::tempdir().unwrap();
    let sink = EquipmentSink::builder(root.path()).queue(QueueConfig::new()).build().unwrap();
    let scope = Scope::new("CONFOCAL_01").unwrap();
    // On a machine that is busy, a writer that replaces another one begins with empty buffers.
    ends_without_allocations(&sink, || {
        sink.write(&scope, Level::Error, b"lamp out").unwrap();
    });
}

#[cfg(any(feature = "log4rs", feature = "fern"))]
fn log_to(logger: &dyn log::Log, step: u32) {
    logger.log(
        &log::Record::builder()
            .level(Level::Info)
            // µ begins with the byte under which control characters stand, too.
            .args(format_args!("axis Z homed at {:.1} µm, step {step}", 12.5))
            .build(),
    );
}

#[cfg(feature = "log4rs")]
#[test]
fn a_record_through_log4rs_allocates_nothing() {
    use equipment_log::EquipmentScopedAppender;
    use log4rs::config::{Appender, Config, Root};

    let root = tempfile::tempdir().unwrap();
    let appender = EquipmentScopedAppender::builder().build(root.path()).unwrap();
    let sink = appender.sink().clone();
    let config = Config::builder()
        .appender(Appender::builder().build("equipment", Box::new(appender)))
        .build(Root::builder().appender("equipment").build(log::LevelFilter::Info))
        .unwrap();
    let logger = log4rs::Logger::new(config);

    let _in = Scope::new("CONFOCAL_01").unwrap().tag("proj", "PROJ-0042").enter();
    let allocations = allocations_of(|step| log_to(&logger, step));
    assert_eq!(allocations, 0);
    assert_eq!(sink.stats().total.written, 102);
}

#[cfg(feature = "fern")]
#[test]
fn a_record_through_fern_allocates_nothing() {
    use equipment_log::fern::line_format;
    use equipment_log::EquipmentScopedOutput;

    let root = tempfile::tempdir().unwrap();
    let output = EquipmentScopedOutput::builder(root.path()).build().unwrap();
    let sink = output.sink().clone();
    let (_, logger) = fern::Dispatch::new().format(line_format()).chain(output).into_log();

    let _in = Scope::new("CONFOCAL_01").unwrap().tag("proj", "PROJ-0042").enter();
    let allocations = allocations_of(|step| log_to(&*logger, step));
    assert_eq!(allocations, 0);
    assert_eq!(sink.stats().total.written, 102);
}
