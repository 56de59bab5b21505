//! The output of `windlass config show` for people.

use std::io::{self, Write};
use std::num::NonZeroU64;

use windlass::text::escape;
use windlass_config::{SourceState, shown_rate};

use super::effective_config::EffectiveConfig;
use super::registry_view::{HostView, RegistryView};
use crate::output::table::Table;

/// Writes the whole configuration, or only the registry if there is a single one.
pub(super) fn write(out: &mut dyn Write, config: &EffectiveConfig) -> io::Result<()> {
    let is_single = config.registries.iter().all(|view| view.registry != "*");
    if is_single {
        for view in &config.registries {
            write_registry(out, view)?;
        }
        return Ok(());
    }
    let mut files = Table::new(["FILE", "STATE"]);
    for source in &config.files {
        let path = source.path.to_string_lossy().into_owned();
        files.push([path, state(source.state).to_owned()]);
    }
    for place in &config.credentials {
        let state = if place.exists {
            "for credentials"
        } else {
            "missing"
        };
        files.push([place.place.clone(), state.to_owned()]);
    }
    files.write(out)?;
    writeln!(out)?;
    let mut settings = Table::new(["SETTING", "VALUE", "FROM"]);
    for setting in &config.settings {
        settings.push([
            setting.key.to_owned(),
            setting.text.clone(),
            setting.from.text(),
        ]);
    }
    settings.write(out)?;
    writeln!(out)?;
    let mut registries = Table::new(["REGISTRY", "HOSTS", "FROM"]);
    for view in &config.registries {
        registries.push([view.registry.clone(), hosts(view), view.from.text()]);
    }
    registries.write(out)?;
    if !config.remarks.is_empty() {
        writeln!(out)?;
    }
    for remark in &config.remarks {
        writeln!(out, "{}", escape(remark))?;
    }
    Ok(())
}

fn write_registry(out: &mut dyn Write, view: &RegistryView) -> io::Result<()> {
    writeln!(out, "{}", escape(&view.registry))?;
    if let Some(reason) = &view.unusable {
        writeln!(out, "  cannot be used: {}", escape(reason))?;
    }
    for (number, host) in view.endpoints.iter().enumerate() {
        writeln!(
            out,
            "  {}. {}  {}",
            number + 1,
            escape(&host.url),
            host.role
        )?;
        for (what, value) in details(host) {
            writeln!(out, "     {what:<11}  {}", escape(&value))?;
        }
    }
    if !view.foreign_layers.is_empty() {
        let places = view.foreign_layers.join(", ");
        writeln!(out, "  foreign layers from {}", escape(&places))?;
    }
    if let Some(limit) = view.limit_rate {
        writeln!(out, "  at most {}", shown_rate(NonZeroU64::new(limit)))?;
    }
    Ok(())
}

fn details(host: &HostView) -> Vec<(&'static str, String)> {
    let mut details = vec![("used for", host.capabilities.join(", "))];
    if !host.within.is_empty() {
        details.push(("only within", host.within.join(", ")));
    }
    if host.url.starts_with("https:") {
        details.push(("TLS", tls(host)));
    } else {
        details.push(("TLS", "none: plain http".to_owned()));
    }
    details.extend(host.proxy.clone().map(|proxy| ("proxy", proxy)));
    if !host.headers.is_empty() {
        details.push(("headers", host.headers.join(", ")));
    }
    let timeout = host.dial_timeout;
    details.extend(timeout.map(|time| ("connect", format!("within {time} s"))));
    let credentials = host.credentials.clone();
    details.push((
        "credentials",
        credentials.unwrap_or_else(|| "none".to_owned()),
    ));
    details.push(("from", host.from.text()));
    details
}

fn tls(host: &HostView) -> String {
    let mut parts = vec![match host.skip_verify {
        true => "not verified".to_owned(),
        false => "verified".to_owned(),
    }];
    match host.ca {
        0 => {}
        1 => parts.push("1 file with additional CAs".to_owned()),
        files => parts.push(format!("{files} files with additional CAs")),
    }
    if host.client_certificate {
        parts.push("client certificate".to_owned());
    }
    parts.join(", ")
}

fn hosts(view: &RegistryView) -> String {
    if view.unusable.is_some() {
        return "cannot be used".to_owned();
    }
    let mut hosts: Vec<&str> = view
        .endpoints
        .iter()
        .map(|host| host.url.as_str())
        .collect();
    if view.endpoints.iter().all(|host| host.role == "mirror") {
        hosts.push("the registry itself");
    }
    hosts.join(", ")
}

fn state(state: SourceState) -> &'static str {
    match state {
        SourceState::Read => "read",
        SourceState::Absent => "missing",
        SourceState::Unreadable => "permission denied",
        SourceState::Broken => "broken",
        SourceState::Ignored => "overridden",
    }
}
