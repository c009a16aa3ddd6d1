//! A workstation that drives three pieces of equipment at once, with `config-samples/log4rs.yaml`.
//!
//!     cargo run --example workstation
//!
//! Each piece of equipment has its own log, whether the work is done on a thread, in a job of a pool, or in an async
//! task. Warnings and errors are also in the central log.

use std::error::Error;
use std::thread;
use std::time::Duration;

use equipment_log::{Scope, ScopeFutureExt};

mod common;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/log4rs.yaml");

fn main() -> Result<(), Box<dyn Error>> {
    let root = common::lab_root()?;
    let logging = equipment_log::log4rs::init_file(CONFIG)?;
    log::info!("this record has no equipment: no equipment log takes it");

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let run = "Run_2026-04-17T14-32";
    let confocal = Scope::new("CONFOCAL_01")?.tag("proj", "PROJ-0042").tag("run", run);
    let stage = Scope::new("STAGE_02")?.tag("proj", "PROJ-0042").tag("run", run);
    let incubator = Scope::new("INCUBATOR_03")?.tag("kind", "maintenance");

    // A thread enters its scope once.
    let imaging = thread::spawn(move || {
        let _in = confocal.enter();
        image();
    });
    // A pool's thread serves many: the job brings the scope in which it was submitted.
    let homing = stage.run(|| {
        let here = Scope::current();
        runtime.spawn_blocking(move || {
            let _in = here.as_ref().map(Scope::enter);
            home_stage();
        })
    });
    // A future is inside its scope on whichever thread it is polled.
    let warming = runtime.spawn(warm_up().in_scope(incubator));

    imaging.join().map_err(|_| "the imaging thread panicked")?;
    runtime.block_on(homing)?;
    runtime.block_on(warming)?;
    log::warn!("the workstation is done for today");

    println!("Below {}:", root.display());
    common::print_tree(&root)?;
    for sink in logging.sinks() {
        println!("\n{}", sink.stats());
    }
    Ok(())
}

fn image() {
    for frame in 1..=4 {
        log::info!("frame {frame} of 4 acquired");
    }
    log::error!("laser 2 lost its interlock"); // on disk when this line returns
}

fn home_stage() {
    log::info!("homing");
    log::warn!("end switch found 0.3 mm early");
    log::info!("homed");
}

async fn warm_up() {
    for celsius in [31, 34, 37] {
        log::info!("{celsius} °C");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
