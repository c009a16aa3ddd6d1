//! Two real programs move here: their configuration is converted, and they log as they did.
//!
//! The first has the shape of a gateway from OPC UA to LoRaWAN: five files, one for each subsystem, chosen by
//! loggers (`config/log4rs.yaml` of guycorbaz/opcgw, 2024). The second has the shape of a middleware between robots
//! and a controller: one file for all, rotated by size, with the noise of its HTTP client turned down
//! (`log4rs.yaml` of DavidSeyserGit/ABB-Klipper-Middleware, 2025). Each is run as logs for each subsystem, by
//! `targets`, and as logs for each device, by scopes.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::path::Path;

use equipment_log::Scope;
use log::Level;

use crate::support::{alone, log_path, messages};

/// Logs as a module of the program does.
fn from(target: &str, level: Level, message: &str) {
    let arguments = format_args!("{message}");
    log::logger().log(
        &log::Record::builder()
            .target(target)
            .module_path(Some(target))
            .level(level)
            .args(arguments)
            .build(),
    );
}

/// Installs a configuration in which `ROOT` stands for the folder of the logs.
fn installed(root: &Path, yaml: &str) -> equipment_log::log4rs::Handle {
    let path = root.join("log4rs.yaml");
    let root = root.to_str().unwrap();
    std::fs::write(&path, yaml.replace("ROOT", &root.replace('\\', "/"))).unwrap();
    equipment_log::log4rs::init_file(&path).unwrap()
}

const GATEWAY: &str = "
appenders:
  stdout: { kind: console, encoder: { pattern: '{d} - {l} - {t} - {m}{n}' } }
  subsystems:
    kind: equipment_scoped
    local_root: ROOT
    hostname: labpc-04
    targets:
      'opcgw::opc_ua': OPC_UA
      opcua_server: OPC_UA
      'opcgw::chirpstack': CHIRPSTACK
      'opcgw::storage': STORAGE
      'opcgw::config': CONFIG
    unscoped: GATEWAY
root:
  level: debug
  appenders: [stdout, subsystems]
loggers:
  'opcgw::opc_ua': { level: trace }
  'opcgw::chirpstack': { level: trace }
  'opcgw::storage': { level: trace }
  'opcgw::config': { level: trace }
";

#[test]
fn a_field_gateway_keeps_a_log_for_each_subsystem() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let handle = installed(root.path(), GATEWAY);
    from("opcgw", Level::Info, "starting");
    from("opcgw::config", Level::Trace, "read config.toml");
    from("opcgw::opc_ua", Level::Debug, "address space is built");
    from("opcua_server::session", Level::Info, "session opened");
    from("opcua_server::session", Level::Trace, "not let through by the root logger");
    from("opcgw::chirpstack::poller", Level::Trace, "polling 3 devices");
    from("opcgw::storage", Level::Error, "no metric of that name");
    from("opcgw_other", Level::Warn, "not a part of opcgw::opc_ua");
    handle.flush();
    let of = |id: &str| messages(&log_path(root.path(), id));
    assert_eq!(of("GATEWAY"), ["starting", "not a part of opcgw::opc_ua"]);
    assert_eq!(of("CONFIG"), ["read config.toml"]);
    assert_eq!(of("OPC_UA"), ["address space is built", "session opened"]);
    assert_eq!(of("CHIRPSTACK"), ["polling 3 devices"]);
    assert_eq!(of("STORAGE"), ["no metric of that name"]);
}

#[test]
fn a_field_gateway_keeps_a_log_for_each_device() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let handle = installed(root.path(), GATEWAY);
    let devices = ["SOIL_01", "SOIL_02", "VALVE_07"].map(|id| Scope::new(id).unwrap());
    for device in &devices {
        // The poller's own module logs inside the device's scope: the scope comes before `targets`.
        device.run(|| from("opcgw::chirpstack::poller", Level::Debug, "metrics stored"));
    }
    from("opcgw::chirpstack::poller", Level::Debug, "round done");
    handle.flush();
    for device in &devices {
        let id = device.equipment_id().as_str();
        assert_eq!(messages(&log_path(root.path(), id)), ["metrics stored"]);
    }
    assert_eq!(messages(&log_path(root.path(), "CHIRPSTACK")), ["round done"]);
}

const MIDDLEWARE: &str = "
appenders:
  stdout: { kind: console, encoder: { pattern: '{d(%Y-%m-%d %H:%M:%S%.3f %Z)(utc)} {h({l})} {M} {t} - {m}{n}' } }
  robots:
    kind: equipment_scoped
    local_root: ROOT
    hostname: labpc-04
    rotation: { limit: 100 mb, keep: 5, compress: gzip }
    targets: { reqwest: HTTP, hyper: HTTP }
    unscoped: BRIDGE
root:
  level: info
  appenders: [robots]
loggers:
  reqwest: { level: warn }
  hyper: { level: warn }
  bridge: { level: debug, appenders: [robots], additive: false }
";

#[test]
fn a_robot_middleware_keeps_a_log_for_each_subsystem() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let handle = installed(root.path(), MIDDLEWARE);
    from("bridge::server", Level::Debug, "listening");
    from("reqwest::connect", Level::Info, "not let through");
    from("hyper::client", Level::Warn, "connection reset");
    from("tokio_util", Level::Info, "of nobody else");
    handle.flush();
    assert_eq!(messages(&log_path(root.path(), "BRIDGE")), ["listening", "of nobody else"]);
    assert_eq!(messages(&log_path(root.path(), "HTTP")), ["connection reset"]);
}

#[test]
fn a_robot_middleware_keeps_a_log_for_each_robot() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let handle = installed(root.path(), MIDDLEWARE);
    let threads = ["IRB_1200", "IRB_2600"].map(|id| {
        let robot = Scope::new(id).unwrap();
        std::thread::spawn(move || {
            let _in = robot.enter();
            log::info!(target: "bridge::robot", joint = 3, angle_deg = 41.5; "moved");
            // The client knows nothing of robots: it logs on the thread that does.
            from("reqwest::connect", Level::Warn, "retrying");
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    handle.flush();
    for id in ["IRB_1200", "IRB_2600"] {
        let log = log_path(root.path(), id);
        assert_eq!(messages(&log), ["moved", "retrying"]);
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.contains("[joint:3] [angle_deg:41.5] moved"), "{text}");
    }
}
