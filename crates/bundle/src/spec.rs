//! The parts of `config.json` that are written (OCI runtime specification 1.0.2).

use std::collections::BTreeMap;

use serde::Serialize;

/// The content of `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The version of the specification.
    pub oci_version: &'static str,
    /// The process to run.
    pub process: Process,
    /// The root file system.
    pub root: Root,
    /// The host name of the container.
    pub hostname: String,
    /// The mounts, in the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// Arbitrary metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The settings for Linux.
    pub linux: Linux,
}

/// The process to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether the process gets a terminal.
    pub terminal: bool,
    /// The user and groups of the process.
    pub user: User,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment variables, as `NAME=value`.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The capabilities of the process.
    pub capabilities: Capabilities,
    /// Whether programs cannot gain privileges, such as by set-user-ID.
    pub no_new_privileges: bool,
}

/// The user and groups of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The ID of the user.
    pub uid: u32,
    /// The ID of the group.
    pub gid: u32,
    /// The IDs of the supplementary groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
}

/// The capability sets; the inheritable and ambient sets are always empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The capabilities that the process and its children can ever have.
    pub bounding: Vec<&'static str>,
    /// The capabilities that are in effect.
    pub effective: Vec<&'static str>,
    /// The capabilities that the process can put into effect.
    pub permitted: Vec<&'static str>,
}

/// The root file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Root {
    /// The directory of the root file system, relative to the bundle.
    pub path: &'static str,
    /// Whether it is mounted read-only.
    pub readonly: bool,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The mount point in the container.
    pub destination: String,
    /// The type of the file system.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The device or directory to mount.
    pub source: &'static str,
    /// The mount options.
    pub options: Vec<String>,
}

/// The settings for Linux.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// The mappings of user IDs in the user namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// The mappings of group IDs in the user namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
    /// The resource restrictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The namespaces to create.
    pub namespaces: Vec<Namespace>,
    /// The paths that are hidden in the container.
    pub masked_paths: Vec<&'static str>,
    /// The paths that are read-only in the container.
    pub readonly_paths: Vec<&'static str>,
}

/// A mapping of a range of IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdMapping {
    /// The first ID in the container.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// The first ID on the host.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// The number of IDs.
    pub size: u32,
}

/// The resource restrictions of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// The device rules. The runtime adds rules for the default devices.
    pub devices: Vec<Device>,
}

/// A device rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Whether the rule allows or denies access.
    pub allow: bool,
    /// The kinds of access: `r` for read, `w` for write, `m` for `mknod`.
    pub access: &'static str,
}

/// A namespace to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// The type of the namespace.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl Spec {
    /// Returns the text of `config.json`.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("strings and numbers can be serialized");
        text.push('\n');
        text
    }
}
