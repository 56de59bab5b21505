//! The part of a runtime's `config.json` that is written (OCI runtime specification 1.0.2).

use std::collections::BTreeMap;

use serde::Serialize;

/// A runtime's `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The version of the specification.
    pub oci_version: &'static str,
    /// What to run.
    pub process: Process,
    /// Where the root file system is.
    pub root: Root,
    /// What the container calls itself.
    pub hostname: String,
    /// What is mounted, in this order.
    pub mounts: Vec<Mount>,
    /// Notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Linux's part.
    pub linux: Linux,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// As whom.
    pub user: User,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment.
    pub env: Vec<String>,
    /// The directory to start in.
    pub cwd: String,
    /// What root may do.
    pub capabilities: Capabilities,
    /// Whether set-user-ID programs and the like take no effect.
    pub no_new_privileges: bool,
}

/// As whom to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Groups besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
}

/// The sets of capabilities; those that programs would inherit are always empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// The most that can ever be had.
    pub bounding: Vec<&'static str>,
    /// What counts.
    pub effective: Vec<&'static str>,
    /// What can be made to count.
    pub permitted: Vec<&'static str>,
}

/// Where the root file system is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Root {
    /// Its directory, within the bundle.
    pub path: &'static str,
    /// Whether it cannot be written.
    pub readonly: bool,
}

/// Something that is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where.
    pub destination: String,
    /// The kind of file system.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What.
    pub source: &'static str,
    /// How.
    pub options: Vec<String>,
}

/// Linux's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// Who the users of the user namespace are outside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Who its groups are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
    /// What it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What it has of its own.
    pub namespaces: Vec<Namespace>,
    /// What is hidden.
    pub masked_paths: Vec<&'static str>,
    /// What cannot be written.
    pub readonly_paths: Vec<&'static str>,
}

/// A range of IDs inside and outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdMapping {
    /// The first one inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// The first one outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many there are.
    pub size: u32,
}

/// What a container may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// Rules on devices; those that every container has are the runtime's to add.
    pub devices: Vec<Device>,
}

/// A rule on devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Whether it allows or forbids.
    pub allow: bool,
    /// What: to read, write and make them.
    pub access: &'static str,
}

/// A kind of namespace that the container has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl Spec {
    /// Returns the document, as it stands in `config.json`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("it is made of texts and numbers");
        text.push('\n');
        text
    }
}
