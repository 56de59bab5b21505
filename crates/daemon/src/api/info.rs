//! `GET /info`

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use rustix::system::{sysinfo, uname};
use serde_json::{Map, Value, json};
use windlass::image::Digest;

use super::execute::blocking;
use super::system::machine;
use crate::response::{self, ApiError, ApiResponse};
use crate::{Daemon, DaemonInfo, render};

/// Describes the daemon.
pub(super) async fn info(daemon: &Arc<Daemon>) -> Result<ApiResponse, ApiError> {
    let images = blocking(daemon, |daemon| {
        let images = daemon.engine.images();
        Ok(images
            .map_err(|error| render::error::of_store(&error))?
            .len())
    });
    let images = images.await?;
    let parts = [of_daemon(daemon, images), of_machine(), of_containers()];
    let mut info = Map::new();
    for part in parts {
        if let Value::Object(part) = part {
            info.extend(part);
        }
    }
    Ok(response::json(&info))
}

fn of_daemon(daemon: &Daemon, images: usize) -> Value {
    let info = &*daemon.info();
    json!({
        "ID": daemon_id(info), "Images": images, "Driver": "windlass",
        "DriverStatus": [["Pulls running", daemon.metrics.pulls_running().to_string()]],
        "Debug": false, "NFd": open_files(), "NGoroutines": 0,
        "SystemTime": Timestamp::now().to_string(), "NEventsListener": daemon.events.subscribers(),
        "IndexServerAddress": "https://index.docker.io/v1/", "RegistryConfig": registries(info),
        "DockerRootDir": info.root, "HttpProxy": "", "HttpsProxy": "", "NoProxy": "",
        "Labels": info.labels, "ExperimentalBuild": false, "ServerVersion": info.version,
        "Warnings": ["This daemon manages images and runs no containers."],
    })
}

/// Returns an ID in the form of a UUID, which belongs to the machine and the store.
fn daemon_id(info: &DaemonInfo) -> String {
    let machine = fs::read("/etc/machine-id").unwrap_or_default();
    let id = [b"windlass\0", info.root.as_bytes(), b"\0", &machine].concat();
    let hex = Digest::sha256(&id).hex();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    parts.join("-")
}

fn of_machine() -> Value {
    let (kernel, _) = machine();
    let os = os_release();
    let os = |key: &str| os.get(key).cloned().unwrap_or_default();
    let system = sysinfo();
    let memory = u64::from(system.mem_unit).saturating_mul(system.totalram);
    json!({
        "Name": uname().nodename().to_string_lossy(),
        "KernelVersion": kernel, "OperatingSystem": os("PRETTY_NAME"), "OSVersion": os("VERSION_ID"),
        "OSType": "linux", "Architecture": uname().machine().to_string_lossy(),
        "NCPU": thread::available_parallelism().map_or(1, usize::from), "MemTotal": memory,
    })
}

/// The fields of a daemon that runs containers.
fn of_containers() -> Value {
    let nothing = json!({"ID": "", "Expected": ""});
    json!({
        "Containers": 0, "ContainersRunning": 0, "ContainersPaused": 0, "ContainersStopped": 0,
        "Plugins": {"Volume": [], "Network": [], "Authorization": null, "Log": []},
        "MemoryLimit": false, "SwapLimit": false, "CpuCfsPeriod": false, "CpuCfsQuota": false, "CPUShares": false,
        "CPUSet": false, "PidsLimit": false, "IPv4Forwarding": true, "OomKillDisable": false,
        "LoggingDriver": "none", "CgroupDriver": "none", "CgroupVersion": "2",
        "GenericResources": null, "Runtimes": {}, "DefaultRuntime": "none", "LiveRestoreEnabled": false,
        "Isolation": "", "InitBinary": "", "SecurityOptions": [],
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false,
                  "Error": "", "RemoteManagers": null},
        "ContainerdCommit": nothing, "RuncCommit": nothing, "InitCommit": nothing,
    })
}

fn registries(info: &DaemonInfo) -> Value {
    let is_range = |entry: &&String| entry.contains('/');
    let ranges = info.insecure_registries.iter().filter(is_range).cloned();
    let hosts = info
        .insecure_registries
        .iter()
        .filter(|entry| !is_range(entry));
    let mut configs = Map::new();
    configs.insert(
        "docker.io".to_owned(),
        json!({"Name": "docker.io", "Mirrors": info.mirrors, "Secure": true, "Official": true}),
    );
    for host in hosts {
        configs.insert(
            host.clone(),
            json!({"Name": host, "Mirrors": [], "Secure": false, "Official": false}),
        );
    }
    let mut all = vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()];
    all.extend(ranges);
    json!({"InsecureRegistryCIDRs": all, "IndexConfigs": configs, "Mirrors": info.mirrors})
}

/// Reads the names of the operating system (os-release(5)).
fn os_release() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/etc/os-release");
    let text = text
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let pairs =
        pairs.map(|(key, value)| (key.to_owned(), value.trim_matches(['"', '\'']).to_owned()));
    pairs.collect()
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_registries_are_hosts_or_ranges() {
        let info = DaemonInfo {
            insecure_registries: vec!["lab:5000".to_owned(), "10.0.0.0/8".to_owned()],
            mirrors: vec!["https://m.test/".to_owned()],
            ..DaemonInfo::default()
        };
        let expected = json!({
            "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8", "10.0.0.0/8"],
            "IndexConfigs": {
                "docker.io": {
                    "Name": "docker.io", "Mirrors": ["https://m.test/"], "Secure": true, "Official": true,
                },
                "lab:5000": {"Name": "lab:5000", "Mirrors": [], "Secure": false, "Official": false},
            },
            "Mirrors": ["https://m.test/"],
        });
        assert_eq!(registries(&info), expected);
    }
}
