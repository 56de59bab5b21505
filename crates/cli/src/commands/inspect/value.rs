//! The template value of an image: with all fields of Docker's types, including those that the config lacks.

use serde_json::Value as Json;
use windlass::image::Inspection;
use windlass_go_template::{StructField, StructValue, Value};

use crate::output::time::rfc3339;

/// Fields of a config, by the type of their default.
const LISTS: [&str; 5] = ["Cmd", "Entrypoint", "Env", "OnBuild", "Shell"];
const SETS: [&str; 2] = ["ExposedPorts", "Volumes"];
const TEXTS: [&str; 3] = ["StopSignal", "User", "WorkingDir"];
const LABELS: &str = "Labels";
const HEALTHCHECK: &str = "Healthcheck";
const ARGS_ESCAPED: &str = "ArgsEscaped";

/// Returns the template value of `image`. If `is_escaped`, its texts are safe for a terminal (R9).
pub(super) fn image_value(image: &Inspection, is_escaped: bool) -> Value {
    let text = |text: &dyn ToString| Value::text(&text.to_string(), is_escaped);
    let texts = |texts: &[String]| Value::list(texts.iter().map(|item| text(item)));
    let id = text(&image.id);
    let variant = text(&image.variant.clone().unwrap_or_default());
    let layers = image.root_fs.layers.iter().map(|layer| text(layer));
    let size = Value::Int(image.size.try_into().unwrap_or(i64::MAX));
    let graph_driver = vec![
        StructField::new("Data", Value::no_map(true)),
        StructField::new("Name", Value::plain("windlass")),
    ];
    let metadata = vec![StructField::new(
        "LastTagTime",
        Value::plain(&rfc3339(image.pulled)),
    )];
    let root_fs = vec![
        StructField::new("Type", text(&image.root_fs.kind)),
        StructField::new("Layers", Value::list(layers)),
    ];
    Value::Struct(StructValue::new(vec![
        StructField::new("Id", id.clone()),
        // The name in Docker's type; scripts use both.
        StructField::hidden("ID", id),
        StructField::new("RepoTags", texts(&image.repo_tags)),
        StructField::new("RepoDigests", texts(&image.repo_digests)),
        StructField::new("Manifest", text(&image.manifest)),
        StructField::new("Created", text(&image.created.clone().unwrap_or_default())),
        StructField::new("Author", text(&image.author)),
        StructField::hidden("Comment", text(&image.comment)),
        StructField::hidden("DockerVersion", text(&image.docker_version)),
        StructField::new("Architecture", text(&image.architecture)),
        match image.variant {
            Some(_) => StructField::new("Variant", variant),
            None => StructField::hidden("Variant", variant),
        },
        StructField::new("Os", text(&image.os)),
        StructField::hidden("OsVersion", text(&image.os_version)),
        StructField::new("Size", size.clone()),
        StructField::hidden("VirtualSize", size),
        // windlass stores no containers and no parents of images.
        StructField::hidden("Parent", Value::plain("")),
        StructField::hidden("Container", Value::plain("")),
        StructField::hidden("ContainerConfig", config(&Json::Null, is_escaped)),
        StructField::hidden("GraphDriver", Value::Struct(StructValue::new(graph_driver))),
        StructField::hidden("Metadata", Value::Struct(StructValue::new(metadata))),
        StructField::new("Config", config(&image.config, is_escaped)),
        StructField::new("RootFS", Value::Struct(StructValue::new(root_fs))),
    ]))
}

/// Returns the fields of the config, followed by hidden ones for the fields that it lacks.
fn config(config: &Json, is_escaped: bool) -> Value {
    let mut fields = Vec::new();
    if let Json::Object(entries) = config {
        for (name, json) in entries {
            fields.push(StructField::new(name, typed(name, json, is_escaped)));
        }
    }
    let names = LISTS.iter().chain(&SETS).chain(&TEXTS);
    for name in names.chain(&[LABELS, HEALTHCHECK, ARGS_ESCAPED]) {
        if !fields.iter().any(|field| field.name == *name) {
            fields.push(StructField::hidden(
                name,
                typed(name, &Json::Null, is_escaped),
            ));
        }
    }
    Value::Struct(StructValue::new(fields))
}

/// Returns `json` as the type that Docker has for a field of this name.
fn typed(name: &str, json: &Json, is_escaped: bool) -> Value {
    match (Value::from_json(json.clone(), is_escaped), name) {
        (Value::Nil, name) if LISTS.contains(&name) => Value::no_list(),
        (Value::Nil, name) if SETS.contains(&name) => Value::no_map(false),
        (Value::Nil, name) if TEXTS.contains(&name) => Value::plain(""),
        (Value::Nil, LABELS) => Value::no_map(true),
        (Value::Nil, ARGS_ESCAPED) => Value::Bool(false),
        (Value::Map(map), name) if SETS.contains(&name) => map.into_set(),
        (Value::Map(map), LABELS) => map.of_texts(),
        (value, _) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass::image::{Digest, ImageId, RootFs};

    use super::*;
    use windlass_go_template::{Escapes, Template};

    fn rendered(config: Json, source: &str) -> String {
        let image = Inspection {
            id: ImageId::new(Digest::sha256("config")),
            repo_tags: vec!["alpine:3".to_owned()],
            repo_digests: Vec::new(),
            manifest: Digest::sha256("manifest"),
            created: None,
            pulled: 1_600_000_000,
            author: "\u{1b}[31mme".to_owned(),
            comment: "from a test".to_owned(),
            docker_version: String::new(),
            architecture: "amd64".to_owned(),
            variant: None,
            os: "linux".to_owned(),
            os_version: String::new(),
            size: 10,
            config,
            root_fs: RootFs {
                kind: "layers",
                layers: Vec::new(),
            },
        };
        let template = Template::parse(source, Escapes::Verbatim).unwrap();
        let text = template.render(&image_value(&image, true));
        text.unwrap_or_else(|error| error.to_string())
    }

    /// As with Docker's types, missing lists and maps are empty, and `null` as JSON.
    #[test]
    fn missing_fields_of_a_config_are_empty() {
        let source = "{{.Config.Cmd}} {{.Config.Labels}} {{.Config.User}}| {{.Config.Volumes}} {{.Config.Healthcheck}} \
            {{.Config.Labels.a}} {{index .Config.Labels `a`}}| {{json .Config.Cmd}} {{json .Config}} {{.Variant}}|";
        for config in [Json::Null, json!({}), json!([])] {
            assert_eq!(
                rendered(config, source),
                "[] map[] | map[] <no value> <no value> | null {} |"
            );
        }
    }

    #[test]
    fn fields_of_a_config_are_rendered_like_docker() {
        let config = json!({
            "Cmd": ["sh", "-c", "x"], "ExposedPorts": { "80/tcp": {} }, "Labels": { "a": "b" }, "Entrypoint": null,
            "Mine": { "x": 1 },
        });
        let source = "{{.Config.Cmd}} {{.Config.ExposedPorts}} {{.Config.Labels.a}} {{.Config.Entrypoint}} {{.Config.Mine.x}}";
        assert_eq!(
            rendered(config.clone(), source),
            "[sh -c x] map[80/tcp:{}] b [] 1"
        );
        assert_eq!(
            rendered(config, "{{json .Config}}"),
            r#"{"Cmd":["sh","-c","x"],"Entrypoint":null,"ExposedPorts":{"80/tcp":{}},"Labels":{"a":"b"},"Mine":{"x":1}}"#
        );
    }

    /// Fields that scripts read, and that windlass does not print.
    #[test]
    fn other_fields_of_docker_exist() {
        let source = "{{.Comment}} {{.Parent}}|{{.DockerVersion}}|{{.Container}}|{{.OsVersion}}|{{.VirtualSize}} \
            {{.GraphDriver.Name}} {{.GraphDriver.Data}} {{.Metadata.LastTagTime}} {{.ContainerConfig.Cmd}}";
        assert_eq!(
            rendered(Json::Null, source),
            "from a test ||||10 windlass map[] 2020-09-13T12:26:40Z []"
        );
    }

    #[test]
    fn only_fields_of_docker_exist() {
        assert_eq!(
            rendered(
                Json::Null,
                "{{.Os}}/{{.Architecture}} {{eq .Id .ID}} {{.RepoTags}} {{.RootFS}} {{.Author}}"
            ),
            r"linux/amd64 true [alpine:3] {layers []} \u{1b}[31mme"
        );
        assert_eq!(
            rendered(Json::Null, "{{.Config.Command}}"),
            "no field .Config.Command; available fields: Cmd, Entrypoint, Env, OnBuild, Shell, ExposedPorts, Volumes, \
            StopSignal, User, WorkingDir, Labels, Healthcheck, ArgsEscaped"
        );
    }
}
