//! Parses the parameters of requests: names, platforms and filters.

use jiff::ZonedDateTime;
use windlass::error::{PlatformError, ReferenceError, TagError};
use windlass::image::{ImageChoice, ImageName, Platform, Reference, Tag};
use windlass::{FilterUse, Filters};
use windlass_docker_api as api;

use crate::render;
use crate::request::{ApiRequest, QueryParameters};
use crate::response::ApiError;

/// Parses the name of an image in the store (REF-8).
pub(super) fn image_name(text: &str) -> Result<ImageName, ApiError> {
    text.parse().map_err(|error| invalid_reference(&error))
}

/// Parses a reference.
pub(super) fn reference(text: &str) -> Result<Reference, ApiError> {
    text.parse().map_err(|error| invalid_reference(&error))
}

/// Parses a tag.
pub(super) fn tag(text: &str) -> Result<Tag, ApiError> {
    text.parse()
        .map_err(|_: TagError| ApiError::bad_request("invalid tag format"))
}

/// Parses the parameter `platform`: `os/arch[/variant]`, or a platform as JSON.
pub(super) fn platform(query: &QueryParameters) -> Result<Option<Platform>, ApiError> {
    let Some(text) = query.get("platform") else {
        return Ok(None);
    };
    parse_platform(text).map(Some)
}

/// Parses the parameter `platforms` of a removal.
pub(super) fn platform_to_remove(query: &QueryParameters) -> Result<Option<Platform>, ApiError> {
    query.get("platforms").map(parse_platform).transpose()
}

/// Returns which images of an index are selected: that of one platform, or all in the store.
pub(super) fn image_choice(query: &QueryParameters) -> Result<ImageChoice, ApiError> {
    let platform = platform(query)?;
    Ok(platform.map_or(ImageChoice::All, |platform| {
        ImageChoice::One(Some(platform))
    }))
}

/// Parses the filters; unknown ones are an error.
pub(super) fn filters(request: &ApiRequest, usage: FilterUse) -> Result<Filters, ApiError> {
    let values = api::FilterValues::parse(request.query.get("filters"));
    let mut values =
        values.map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?;
    // Old clients send the name in a parameter of its own.
    if let Some(name) = request
        .query
        .get("filter")
        .filter(|_| usage == FilterUse::Images)
    {
        let names = values.0.entry("reference".to_owned()).or_default();
        names.push(name.to_owned());
    }
    let filters = Filters::from_lists(usage, &values.0, &ZonedDateTime::now());
    filters.map_err(|error| ApiError::bad_request(error.to_string()))
}

fn invalid_reference(error: &ReferenceError) -> ApiError {
    render::error::of_reference(&error.problem)
}

/// Parses a platform: `os/arch[/variant]`, or its JSON form.
fn parse_platform(text: &str) -> Result<Platform, ApiError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: PlatformError| ApiError::bad_request(platform_error(&error)))
    };
    if !text.trim_start().starts_with('{') {
        return parse(text);
    }
    let read: api::OciPlatform = serde_json::from_str(text).map_err(|_| {
        ApiError::bad_request(format!("invalid platform {text:?}: it is not valid JSON"))
    })?;
    let parts = [&read.os, &read.architecture, &read.variant];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parse(&parts.join("/"))
}

/// Returns the message of an invalid platform. Tools look for Docker's words about a single name.
fn platform_error(error: &PlatformError) -> String {
    let text = error.platform.to_string();
    match text.contains('/') {
        true => error.to_string(),
        false => format!("{text:?}: unknown operating system or architecture"),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_platform_has_two_forms() {
        let parse = |text: &str| parse_platform(text).map(|platform| platform.to_string());
        let arm = Ok("linux/arm64".to_owned());
        assert_eq!(parse("linux/arm64"), arm);
        assert_eq!(parse(r#"{"os":"linux","architecture":"arm64"}"#), arm);
        let v7 = parse(r#"{"os":"linux","architecture":"arm","variant":"v7"}"#);
        assert_eq!(v7, Ok("linux/arm/v7".to_owned()));
        let odd = parse("{").unwrap_err();
        assert_eq!(
            (odd.status, odd.message.as_str()),
            (
                StatusCode::BAD_REQUEST,
                "invalid platform \"{\": it is not valid JSON"
            )
        );
    }
}
