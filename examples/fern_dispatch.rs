//! The workstation of the other example with fern, and `config-samples/fern.yaml`.
//!
//!     cargo run --example fern_dispatch

use std::error::Error;
use std::thread;
use std::time::Duration;

use equipment_log::fern::line_format;
use equipment_log::{EquipmentScopedOutput, EquipmentSink, Scope, ScopeFutureExt};

mod common;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/fern.yaml");

fn main() -> Result<(), Box<dyn Error>> {
    let root = common::lab_root()?;

    let equipment = EquipmentScopedOutput::from_yaml_file(CONFIG)?;
    let sink: EquipmentSink = equipment.sink().clone();
    std::fs::create_dir_all(&root)?;
    fern::Dispatch::new()
        .level(log::LevelFilter::Info)
        // The structured line, in front of every output. It keeps the equipment that a record
        // names by itself, which a plain `.format` loses.
        .format(line_format())
        .chain(equipment)
        .chain(
            fern::Dispatch::new()
                .level(log::LevelFilter::Warn)
                .chain(fern::log_file(root.join("central.log"))?)
                .chain(std::io::stderr()),
        )
        .apply()?;
    log::info!("this record has no equipment: no equipment log takes it");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let confocal = Scope::new("CONFOCAL_01")?.tag("proj", "PROJ-0042");
    let stage = Scope::new("STAGE_02")?.tag("proj", "PROJ-0042");
    let incubator = Scope::new("INCUBATOR_03")?.tag("kind", "maintenance");

    let imaging = thread::spawn(move || {
        let _in = confocal.enter();
        log::info!("frame 1 acquired");
        log::error!("laser 2 lost its interlock"); // on disk when this line returns
        log::info!(equipment_id = "STAGE_02"; "the stage may move again");
    });
    let homing = stage.run(|| {
        let here = Scope::current();
        runtime.spawn_blocking(move || {
            let _in = here.as_ref().map(Scope::enter);
            log::warn!("end switch found 0.3 mm early");
        })
    });
    let warming = runtime.spawn(warm_up().in_scope(incubator));

    imaging.join().map_err(|_| "the imaging thread panicked")?;
    runtime.block_on(homing)?;
    runtime.block_on(warming)?;
    log::warn!("the workstation is done for today");

    println!("Below {}:", root.display());
    common::print_tree(&root)?;
    println!("\n{}", sink.stats());
    Ok(())
}

async fn warm_up() {
    for celsius in [31, 34, 37] {
        log::info!("{celsius} °C");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
