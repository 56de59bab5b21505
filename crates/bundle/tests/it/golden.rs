//! Snapshots of complete configs, for root and rootless.

use std::fs;

use windlass_bundle::{BundleOptions, ConvertError, RuntimeUser};

use crate::convert;

const MEMBERS: &str = r#""os":"linux","architecture":"amd64","created":"2026-01-02T03:04:05Z","#;

const CONFIG: &str = r#"{"User":"sailor","Env":["PATH=/bin","LANG=C.UTF-8"],"Entrypoint":["/bin/serve"],
    "Cmd":["--port","80"],"WorkingDir":"/srv","Volumes":{"/srv/data":{}},"ExposedPorts":{"80/tcp":{}},
    "StopSignal":"SIGQUIT","Labels":{"org.opencontainers.image.author":"The crew","run.oci.hooks":"/x"}}"#;

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let passwd = "root:x:0:0::/root:/bin/sh\nsailor:x:1000:1000::/home/sailor:/bin/sh\n";
    fs::write(root.path().join("etc/passwd"), passwd).unwrap();
    let group = "root:x:0:\nsailor:x:1000:\ncrew:x:50:sailor\n";
    fs::write(root.path().join("etc/group"), group).unwrap();
    root
}

#[test]
fn a_config_for_root() {
    let root = root();
    let converted = convert(MEMBERS, CONFIG, root.path(), &BundleOptions::default()).unwrap();
    insta::assert_snapshot!(converted.spec.to_json(), @r#"
    {
      "ociVersion": "1.0.2",
      "process": {
        "terminal": false,
        "user": {
          "uid": 1000,
          "gid": 1000,
          "additionalGids": [
            50
          ]
        },
        "args": [
          "/bin/serve",
          "--port",
          "80"
        ],
        "env": [
          "PATH=/bin",
          "LANG=C.UTF-8",
          "HOME=/home/sailor"
        ],
        "cwd": "/srv",
        "capabilities": {
          "bounding": [
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
            "CAP_SYS_CHROOT"
          ],
          "effective": [],
          "permitted": []
        },
        "noNewPrivileges": true
      },
      "root": {
        "path": "rootfs",
        "readonly": false
      },
      "hostname": "windlass",
      "mounts": [
        {
          "destination": "/proc",
          "type": "proc",
          "source": "proc",
          "options": [
            "nosuid",
            "noexec",
            "nodev"
          ]
        },
        {
          "destination": "/dev",
          "type": "tmpfs",
          "source": "tmpfs",
          "options": [
            "nosuid",
            "strictatime",
            "mode=755",
            "size=65536k"
          ]
        },
        {
          "destination": "/dev/pts",
          "type": "devpts",
          "source": "devpts",
          "options": [
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5"
          ]
        },
        {
          "destination": "/dev/shm",
          "type": "tmpfs",
          "source": "shm",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
            "mode=1777",
            "size=65536k"
          ]
        },
        {
          "destination": "/dev/mqueue",
          "type": "mqueue",
          "source": "mqueue",
          "options": [
            "nosuid",
            "noexec",
            "nodev"
          ]
        },
        {
          "destination": "/sys",
          "type": "sysfs",
          "source": "sysfs",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
            "ro"
          ]
        },
        {
          "destination": "/sys/fs/cgroup",
          "type": "cgroup",
          "source": "cgroup",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
            "relatime",
            "ro"
          ]
        },
        {
          "destination": "/srv/data",
          "type": "tmpfs",
          "source": "tmpfs",
          "options": [
            "nosuid",
            "nodev",
            "mode=0755",
            "uid=0",
            "gid=0"
          ]
        }
      ],
      "annotations": {
        "org.opencontainers.image.architecture": "amd64",
        "org.opencontainers.image.author": "The crew",
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
        "org.opencontainers.image.exposedPorts": "80/tcp",
        "org.opencontainers.image.os": "linux",
        "org.opencontainers.image.stopSignal": "SIGQUIT"
      },
      "linux": {
        "resources": {
          "devices": [
            {
              "allow": false,
              "access": "rwm"
            }
          ]
        },
        "namespaces": [
          {
            "type": "pid"
          },
          {
            "type": "network"
          },
          {
            "type": "ipc"
          },
          {
            "type": "uts"
          },
          {
            "type": "mount"
          },
          {
            "type": "cgroup"
          }
        ],
        "maskedPaths": [
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
          "/sys/firmware"
        ],
        "readonlyPaths": [
          "/proc/bus",
          "/proc/fs",
          "/proc/irq",
          "/proc/sys",
          "/proc/sysrq-trigger"
        ]
      }
    }
    "#);
    insta::assert_debug_snapshot!(converted.warnings, @r#"
    [
        Label {
            key: "run.oci.hooks",
        },
    ]
    "#);
}

#[test]
fn a_rootless_config() {
    let root = root();
    let options = BundleOptions {
        runtime_user: RuntimeUser::Rootless {
            uid: 1234,
            gid: 2345,
        },
        user: Some("0".to_owned()),
        args: Some(vec!["--help".to_owned()]),
        env: vec!["LANG=de".parse().unwrap()],
        hostname: "ship".parse().unwrap(),
        tty: true,
        ..BundleOptions::default()
    };
    let converted = convert(MEMBERS, CONFIG, root.path(), &options).unwrap();
    insta::assert_snapshot!(converted.spec.to_json(), @r#"
    {
      "ociVersion": "1.0.2",
      "process": {
        "terminal": true,
        "user": {
          "uid": 0,
          "gid": 0
        },
        "args": [
          "/bin/serve",
          "--help"
        ],
        "env": [
          "PATH=/bin",
          "LANG=de",
          "HOME=/root",
          "TERM=xterm"
        ],
        "cwd": "/srv",
        "capabilities": {
          "bounding": [
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
            "CAP_SYS_CHROOT"
          ],
          "effective": [
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
            "CAP_SYS_CHROOT"
          ],
          "permitted": [
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
            "CAP_SYS_CHROOT"
          ]
        },
        "noNewPrivileges": true
      },
      "root": {
        "path": "rootfs",
        "readonly": false
      },
      "hostname": "ship",
      "mounts": [
        {
          "destination": "/proc",
          "type": "proc",
          "source": "proc",
          "options": [
            "nosuid",
            "noexec",
            "nodev"
          ]
        },
        {
          "destination": "/dev",
          "type": "tmpfs",
          "source": "tmpfs",
          "options": [
            "nosuid",
            "strictatime",
            "mode=755",
            "size=65536k"
          ]
        },
        {
          "destination": "/dev/pts",
          "type": "devpts",
          "source": "devpts",
          "options": [
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620"
          ]
        },
        {
          "destination": "/dev/shm",
          "type": "tmpfs",
          "source": "shm",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
            "mode=1777",
            "size=65536k"
          ]
        },
        {
          "destination": "/dev/mqueue",
          "type": "mqueue",
          "source": "mqueue",
          "options": [
            "nosuid",
            "noexec",
            "nodev"
          ]
        },
        {
          "destination": "/sys",
          "type": "none",
          "source": "/sys",
          "options": [
            "rbind",
            "nosuid",
            "noexec",
            "nodev",
            "ro"
          ]
        },
        {
          "destination": "/sys/fs/cgroup",
          "type": "cgroup",
          "source": "cgroup",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
            "relatime",
            "ro"
          ]
        },
        {
          "destination": "/srv/data",
          "type": "tmpfs",
          "source": "tmpfs",
          "options": [
            "nosuid",
            "nodev",
            "mode=0755"
          ]
        }
      ],
      "annotations": {
        "org.opencontainers.image.architecture": "amd64",
        "org.opencontainers.image.author": "The crew",
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
        "org.opencontainers.image.exposedPorts": "80/tcp",
        "org.opencontainers.image.os": "linux",
        "org.opencontainers.image.stopSignal": "SIGQUIT"
      },
      "linux": {
        "uidMappings": [
          {
            "containerID": 0,
            "hostID": 1234,
            "size": 1
          }
        ],
        "gidMappings": [
          {
            "containerID": 0,
            "hostID": 2345,
            "size": 1
          }
        ],
        "namespaces": [
          {
            "type": "pid"
          },
          {
            "type": "ipc"
          },
          {
            "type": "uts"
          },
          {
            "type": "mount"
          },
          {
            "type": "cgroup"
          },
          {
            "type": "user"
          }
        ],
        "maskedPaths": [
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
          "/sys/firmware"
        ],
        "readonlyPaths": [
          "/proc/bus",
          "/proc/fs",
          "/proc/irq",
          "/proc/sys",
          "/proc/sysrq-trigger"
        ]
      }
    }
    "#);
}

#[test]
fn images_for_other_systems_are_rejected() {
    let root = root();
    let options = BundleOptions::default();
    let windows = convert(
        r#""os":"windows","#,
        r#"{"Cmd":["a"]}"#,
        root.path(),
        &options,
    );
    let error = windows.unwrap_err();
    assert!(matches!(error, ConvertError::OtherOs { .. }), "{error:?}");
    // The default is Linux.
    convert("", r#"{"Cmd":["a"]}"#, root.path(), &options).unwrap();
}
