//! The parts of the config that are the same for all images.

use crate::options::RuntimeUser;
use crate::spec::{
    Capabilities, Device, IdMapping, Linux, Mount, Namespace, Process, Resources, User,
};

/// The search path if the image does not set one.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The capabilities of root in the container: those that programs need to switch users and change file owners, but none
/// for raw sockets, device nodes or the kernel.
const CAPABILITIES: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Paths that reveal information about the host or can change it.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Returns the capabilities of the process: none unless it is root.
///
/// The bounding set is the same for every user, for file capabilities and `su` where those are allowed.
pub(crate) fn capabilities(user: &User) -> Capabilities {
    let capabilities = match user.uid {
        0 => CAPABILITIES.to_vec(),
        _ => Vec::new(),
    };
    Capabilities {
        bounding: CAPABILITIES.to_vec(),
        effective: capabilities.clone(),
        permitted: capabilities,
    }
}

/// Returns a process of `user` without command and environment.
pub(crate) fn process(user: User) -> Process {
    Process {
        terminal: false,
        capabilities: capabilities(&user),
        user,
        args: Vec::new(),
        env: Vec::new(),
        cwd: "/".to_owned(),
        no_new_privileges: true,
    }
}

/// Returns the mounts of every container.
pub(crate) fn mounts(runtime_user: RuntimeUser) -> Vec<Mount> {
    let (sys, tty_group) = match runtime_user {
        RuntimeUser::Root => (
            mount(
                "/sys",
                "sysfs",
                "sysfs",
                &["nosuid", "noexec", "nodev", "ro"],
            ),
            ["gid=5"].as_slice(),
        ),
        // sysfs can only be mounted in a network namespace of the container's own, so that of the host is bound.
        RuntimeUser::Rootless { .. } => (
            mount(
                "/sys",
                "none",
                "/sys",
                &["rbind", "nosuid", "noexec", "nodev", "ro"],
            ),
            // The group `tty` is not mapped in the user namespace.
            [].as_slice(),
        ),
    };
    let pts = [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
    ];
    let pts = [&pts, tty_group].concat();
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        ),
        sys,
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
    ]
}

/// Returns the namespaces, ID mappings and restrictions of the container.
pub(crate) fn linux(runtime_user: RuntimeUser) -> Linux {
    let namespaces = match runtime_user {
        RuntimeUser::Root => ["pid", "network", "ipc", "uts", "mount", "cgroup"],
        // No network namespace: it would have no connection, and only root could give it one.
        RuntimeUser::Rootless { .. } => ["pid", "ipc", "uts", "mount", "cgroup", "user"],
    };
    let (uids, gids) = match runtime_user {
        RuntimeUser::Root => (None, None),
        RuntimeUser::Rootless { uid, gid } => (Some(uid), Some(gid)),
    };
    let mapping = |host_id| IdMapping {
        container_id: 0,
        host_id,
        size: 1,
    };
    let forbidden = Device {
        allow: false,
        access: "rwm",
    };
    Linux {
        uid_mappings: uids.into_iter().map(mapping).collect(),
        gid_mappings: gids.into_iter().map(mapping).collect(),
        // Only root may restrict devices.
        resources: (runtime_user == RuntimeUser::Root).then(|| Resources {
            devices: vec![forbidden],
        }),
        namespaces: namespaces.map(|kind| Namespace { kind }).to_vec(),
        masked_paths: MASKED.to_vec(),
        readonly_paths: READONLY.to_vec(),
    }
}

fn mount(destination: &str, kind: &'static str, source: &'static str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind,
        source,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    }
}
