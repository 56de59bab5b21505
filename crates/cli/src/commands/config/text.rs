//! The same for people.

use std::io::{self, Write};

use serde_json::Value;
use windlass_config::{SourceState, shown_size};

use super::facts::{Facts, Setting};
use super::way::{Host, Way};
use crate::output::table::Table;
use windlass::text::escape;

/// Writes everything that is known. With one registry, only that one is shown.
pub(super) fn write(out: &mut dyn Write, facts: &Facts) -> io::Result<()> {
    let is_one = facts.registries.iter().all(|way| way.registry != "*");
    if is_one {
        for way in &facts.registries {
            write_way(out, way)?;
        }
        return Ok(());
    }
    let mut files = Table::new(["FILE", "STATE"]);
    for source in &facts.files {
        let path = source.path.to_string_lossy().into_owned();
        files.push([path, state(source.state).to_owned()]);
    }
    for place in &facts.credentials {
        let state = if place.exists {
            "for credentials"
        } else {
            "not there"
        };
        files.push([place.place.clone(), state.to_owned()]);
    }
    files.write(out)?;
    writeln!(out)?;
    let mut settings = Table::new(["SETTING", "VALUE", "FROM"]);
    for setting in &facts.settings {
        settings.push([setting.key.to_owned(), value(setting), setting.from.text()]);
    }
    settings.write(out)?;
    writeln!(out)?;
    let mut registries = Table::new(["REGISTRY", "ASKED", "FROM"]);
    for way in &facts.registries {
        registries.push([way.registry.clone(), hosts(way), way.from.text()]);
    }
    registries.write(out)?;
    if !facts.remarks.is_empty() {
        writeln!(out)?;
    }
    for remark in &facts.remarks {
        writeln!(out, "{}", escape(remark))?;
    }
    Ok(())
}

fn write_way(out: &mut dyn Write, way: &Way) -> io::Result<()> {
    writeln!(out, "{}", escape(&way.registry))?;
    if let Some(reason) = &way.unusable {
        writeln!(out, "  cannot be asked: {}", escape(reason))?;
    }
    for (number, host) in way.endpoints.iter().enumerate() {
        writeln!(
            out,
            "  {}. {}  {}",
            number + 1,
            escape(&host.url),
            host.role
        )?;
        for (what, value) in facts_of(host) {
            writeln!(out, "     {what:<11}  {}", escape(&value))?;
        }
    }
    if !way.foreign_layers.is_empty() {
        let places = way.foreign_layers.join(", ");
        writeln!(out, "  foreign layers from {}", escape(&places))?;
    }
    if let Some(limit) = way.limit_rate {
        writeln!(out, "  no faster than {}", rate(Some(limit)))?;
    }
    Ok(())
}

fn facts_of(host: &Host) -> Vec<(&'static str, String)> {
    let mut facts = vec![("asked to", host.capabilities.join(", "))];
    if !host.within.is_empty() {
        facts.push(("only within", host.within.join(", ")));
    }
    if host.url.starts_with("https:") {
        facts.push(("TLS", tls(host)));
    } else {
        facts.push(("TLS", "none: plain http".to_owned()));
    }
    facts.extend(host.proxy.clone().map(|proxy| ("proxy", proxy)));
    if !host.headers.is_empty() {
        facts.push(("headers", host.headers.join(", ")));
    }
    let timeout = host.dial_timeout;
    facts.extend(timeout.map(|time| ("connect", format!("within {time} s"))));
    let credentials = host.credentials.clone();
    facts.push((
        "credentials",
        credentials.unwrap_or_else(|| "none".to_owned()),
    ));
    facts.push(("from", host.from.text()));
    facts
}

fn tls(host: &Host) -> String {
    let mut words = vec![match host.skip_verify {
        true => "any certificate is taken".to_owned(),
        false => "verified".to_owned(),
    }];
    match host.ca {
        0 => {}
        1 => words.push("1 file with CAs of its own".to_owned()),
        files => words.push(format!("{files} files with CAs of its own")),
    }
    if host.client_certificate {
        words.push("client certificate".to_owned());
    }
    words.join(", ")
}

fn hosts(way: &Way) -> String {
    if way.unusable.is_some() {
        return "cannot be asked".to_owned();
    }
    let mut hosts: Vec<&str> = way.endpoints.iter().map(|host| host.url.as_str()).collect();
    if way.endpoints.iter().all(|host| host.role == "mirror") {
        hosts.push("the registry itself");
    }
    hosts.join(", ")
}

fn state(state: SourceState) -> &'static str {
    match state {
        SourceState::Read => "read",
        SourceState::Absent => "not there",
        SourceState::Unreadable => "may not be read",
        SourceState::Broken => "broken",
        SourceState::Ignored => "another decides",
    }
}

fn value(setting: &Setting) -> String {
    let is_time = match setting.key {
        "pull.timeout" | "pull.retry-delay" | "partials.max-age" => true,
        key => key.starts_with("timeouts.") && key != "timeouts.floor",
    };
    match (&setting.value, setting.key) {
        (Value::Number(bytes), "pull.split-from" | "pull.chunk" | "partials.max-size") => {
            shown_size(bytes.as_u64().unwrap_or_default())
        }
        (Value::Number(bytes), "pull.limit-rate") => rate(bytes.as_u64()),
        (value, _) => plain(value, is_time),
    }
}

fn rate(bytes: Option<u64>) -> String {
    match bytes {
        None | Some(0) => "off".to_owned(),
        Some(bytes) => format!("{}/s", shown_size(bytes)),
    }
}

fn plain(value: &Value, is_time: bool) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => {
            let items = items.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            items.collect::<Vec<_>>().join(", ")
        }
        Value::Number(seconds) if is_time => {
            format!("{} s", seconds.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}
