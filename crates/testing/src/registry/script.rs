//! Scripts: the responses of a route that replace the normal ones.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use bytes::Bytes;
use hyper::header::{
    CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, StatusCode};

use super::RegistryShared;
use super::body_stream::{BodyScript, CutKind};
use super::gate::Gate;
use super::range::RangeFault;
use super::response::DIGEST_HEADER;

/// The requests that a script applies to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RouteKey {
    /// `GET /v2/`.
    Ping,
    /// A manifest by tag or digest, in any repository.
    Manifest(String),
    /// A blob, in any repository.
    Blob(String),
    /// A repository's list of tags.
    Tags(String),
    /// All requests of blob uploads.
    Uploads,
    /// The referrers of a manifest.
    Referrers(String),
    /// The token endpoint.
    Token,
    /// Exactly this path.
    Path(String),
    EveryManifest,
    EveryBlob,
    /// All requests.
    Every,
}

/// A scripted response. Everything that is not set is as in the normal response.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptedResponse {
    pub(super) gate: Option<Gate>,
    pub(super) status: Option<StatusCode>,
    /// Headers to set, or to remove if there is no value.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) body: Option<Bytes>,
    /// A page (media type, bytes) without any part of the normal response.
    pub(super) page: Option<(String, Bytes)>,
    pub(super) range: Option<RangeFault>,
    pub(super) corrupt: Vec<u64>,
    pub(super) body_script: BodyScript,
    pub(super) expire_token: bool,
    /// The bytes of the request's body that are read before the connection is closed.
    pub(super) body_limit: Option<usize>,
    pub(super) raw: Option<Bytes>,
    /// The number of uses; `None` for no limit.
    uses: Option<u64>,
}

/// A builder for the next responses of a route; see the methods of [`Registry`](super::Registry).
///
/// Each method changes the current response; [`then`](Self::then) starts the next one. Responses are used in
/// order, each once by default, and only for authorized requests (but see [`before_auth`](Self::before_auth)).
/// After the last one the route responds normally. The script takes effect as a whole when this value is
/// dropped, at the end of the statement.
#[derive(Debug)]
pub struct RouteScript<'a> {
    shared: &'a RegistryShared,
    key: RouteKey,
    /// `None` is any.
    method: Option<Method>,
    before_auth: bool,
    responses: Vec<ScriptedResponse>,
    current: Option<ScriptedResponse>,
}

/// All scripts of a registry.
#[derive(Debug, Default)]
pub(super) struct Scripts(HashMap<(RouteKey, Option<Method>, bool), VecDeque<ScriptedResponse>>);

impl Scripts {
    /// Returns the next response of a script, if there is one: a script for the method has priority over one
    /// for any method.
    pub(super) fn next(
        &mut self,
        keys: &[RouteKey],
        method: &Method,
        before_auth: bool,
    ) -> Option<ScriptedResponse> {
        let methods = [Some(method.clone()), None];
        let places = keys
            .iter()
            .flat_map(|key| methods.clone().map(|method| (key, method)));
        places.into_iter().find_map(|(key, method)| {
            let responses = self.0.get_mut(&(key.clone(), method, before_auth))?;
            let response = responses.front_mut()?;
            match &mut response.uses {
                None => Some(response.clone()),
                Some(1) => responses.pop_front(),
                Some(uses) => {
                    *uses -= 1;
                    Some(response.clone())
                }
            }
        })
    }

    /// Returns the limit of the next response for the request's body.
    pub(super) fn body_limit(&self, keys: &[RouteKey], method: &Method) -> Option<usize> {
        let methods = [Some(method.clone()), None];
        let places = keys.iter().flat_map(|key| {
            let methods = methods.clone().into_iter();
            methods
                .flat_map(|method| [true, false].map(|early| (key.clone(), method.clone(), early)))
        });
        let mut responses = places.filter_map(|place| self.0.get(&place)?.front());
        responses.find_map(|response| response.body_limit)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<'a> RouteScript<'a> {
    pub(super) fn new(shared: &'a RegistryShared, key: RouteKey) -> Self {
        Self {
            shared,
            before_auth: matches!(
                key,
                RouteKey::Ping | RouteKey::Token | RouteKey::Path(_) | RouteKey::Every
            ),
            method: (!matches!(key, RouteKey::Every | RouteKey::Uploads)).then_some(Method::GET),
            key,
            responses: Vec::new(),
            current: None,
        }
    }

    /// Scripts the responses to `HEAD` rather than to `GET`.
    #[must_use]
    pub fn for_head(mut self) -> Self {
        self.method = Some(Method::HEAD);
        self
    }

    /// Scripts the responses to `POST` rather than to `GET`.
    #[must_use]
    pub fn for_post(mut self) -> Self {
        self.method = Some(Method::POST);
        self
    }

    /// Scripts the responses to `PUT` rather than to `GET`.
    #[must_use]
    pub fn for_put(mut self) -> Self {
        self.method = Some(Method::PUT);
        self
    }

    /// Scripts the responses to `PATCH` rather than to `GET`.
    #[must_use]
    pub fn for_patch(mut self) -> Self {
        self.method = Some(Method::PATCH);
        self
    }

    /// Scripts the responses for every method; a script for one method has priority.
    #[must_use]
    pub fn for_any_method(mut self) -> Self {
        self.method = None;
        self
    }

    /// Applies the script without authorization, too. This is the default for the ping, the token endpoint and
    /// plain paths.
    #[must_use]
    pub fn before_auth(mut self) -> Self {
        self.before_auth = true;
        self
    }

    /// Responds with `status`; from 300 up with an error envelope as the body, unless one is set.
    ///
    /// # Panics
    /// If `status` is not between 100 and 999.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status has three digits");
        self.edit(|response| response.status = Some(status))
    }

    /// Adds `Retry-After` with any text, usually seconds.
    #[must_use]
    pub fn retry_after(self, when: impl std::fmt::Display) -> Self {
        self.header(RETRY_AFTER.as_str(), when.to_string())
    }

    /// Adds `Retry-After` as an HTTP date (RFC 9110, section 10.2.3), which has no fractions of a second.
    #[must_use]
    pub fn retry_after_date(self, when: SystemTime) -> Self {
        self.retry_after(httpdate::fmt_http_date(when))
    }

    /// Responds with 401 and a challenge, `Bearer realm="…"`, with or without credentials in the request.
    #[must_use]
    pub fn unauthorized(self, challenge: &str) -> Self {
        self.status(401)
            .header(WWW_AUTHENTICATE.as_str(), challenge)
    }

    /// Redirects (307) to `url`.
    #[must_use]
    pub fn redirect_to(self, url: &str) -> Self {
        self.status(307).header(LOCATION.as_str(), url)
    }

    /// Sets a header.
    ///
    /// # Panics
    /// If HTTP does not allow it; [`raw`](Self::raw) has no such check.
    #[must_use]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = header_name(name);
        let value = HeaderValue::from_bytes(value.as_ref()).expect("HTTP allows the value");
        self.edit(|response| response.headers.push((name, Some(value))))
    }

    /// Removes a header. Without `content-length` the body is sent in chunks.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        let name = header_name(name);
        self.edit(|response| response.headers.push((name, None)))
    }

    /// Sets the digest of the content (`Docker-Content-Digest`).
    #[must_use]
    pub fn digest(self, digest: impl std::fmt::Display) -> Self {
        self.header(DIGEST_HEADER.as_str(), digest.to_string())
    }

    /// Leaves `Docker-Content-Digest` out.
    #[must_use]
    pub fn without_digest(self) -> Self {
        self.without_header(DIGEST_HEADER.as_str())
    }

    /// Sets the length of the content (`Content-Length`). It may be wrong only for a HEAD; for a GET it must be
    /// the length that is sent.
    #[must_use]
    pub fn size(self, bytes: u64) -> Self {
        self.header(CONTENT_LENGTH.as_str(), bytes.to_string())
    }

    /// Responds with this page only: 200, unless a status is set.
    #[must_use]
    pub fn page(self, media_type: &str, body: impl Into<Bytes>) -> Self {
        let page = (media_type.to_owned(), body.into());
        self.edit(|response| response.page = Some(page))
    }

    /// Responds with an HTML page and 200, as a captive portal does.
    #[must_use]
    pub fn html(self) -> Self {
        let page = "<!DOCTYPE html>\n<title>Welcome</title>\n<p>Please log in.</p>\n";
        self.page("text/html; charset=utf-8", page)
    }

    /// Sends other bytes; all headers except the length are unchanged, also the digest.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.edit(|response| response.body = Some(body))
    }

    /// Flips a bit in the byte at `offset` of the whole content, for any range.
    #[must_use]
    pub fn corrupt(self, offset: u64) -> Self {
        self.edit(|response| response.corrupt.push(offset))
    }

    /// Closes the connection after `bytes` of this body; the client receives all of them. Over HTTP/2 the
    /// stream is ended with `RST_STREAM` at about that point.
    #[must_use]
    pub fn cut_after(self, bytes: u64) -> Self {
        self.edit(|response| response.body_script.cut = Some((bytes, CutKind::Close)))
    }

    /// Resets the connection (RST) after `bytes` of this body. Bytes that the client has not read by then may
    /// be lost. Over HTTP/2 this is [`cut_after`](Self::cut_after).
    #[must_use]
    pub fn reset_after(self, bytes: u64) -> Self {
        self.edit(|response| response.body_script.cut = Some((bytes, CutKind::Reset)))
    }

    /// Sends `bytes` of the body and then stalls without closing the connection.
    #[must_use]
    pub fn stall_after(self, bytes: u64) -> Self {
        self.edit(|response| response.body_script.stall = Some(bytes))
    }

    /// Limits the speed of the body.
    #[must_use]
    pub fn throttle(self, bytes_per_second: u64) -> Self {
        self.edit(|response| response.body_script.rate = Some(bytes_per_second))
    }

    /// Sends an endless body, in chunks; with a `content-length` header, of that length.
    #[must_use]
    pub fn endless(self) -> Self {
        self.edit(|response| response.body_script.endless = true)
    }

    /// Responds to a range with a fault.
    #[must_use]
    pub fn range(self, fault: RangeFault) -> Self {
        self.edit(|response| response.range = Some(fault))
    }

    /// Responds with 200 and the whole body to any range.
    #[must_use]
    pub fn ignore_range(self) -> Self {
        self.range(RangeFault::Ignored)
    }

    /// Responds to a range with bytes that start one byte too late.
    #[must_use]
    pub fn wrong_range(self) -> Self {
        self.range(RangeFault::StartsLate)
    }

    /// Revokes all tokens issued so far and requires a new one (401).
    #[must_use]
    pub fn expire_token(self) -> Self {
        self.edit(|response| response.expire_token = true)
    }

    /// Reads `bytes` of the request's body, stores them if it is an upload, and closes the connection.
    #[must_use]
    pub fn hang_up_after(self, bytes: usize) -> Self {
        self.edit(|response| response.body_limit = Some(bytes))
    }

    /// Sends these bytes in place of an HTTP response and closes the connection. A throttle or a stall applies
    /// to them. For HTTP/1 without TLS only.
    #[must_use]
    pub fn raw(self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.edit(|response| response.raw = Some(bytes))
    }

    /// Holds the response with its headers until the gate is opened.
    pub fn hold(self) -> Gate {
        let gate = Gate::new();
        drop(self.held_by(&gate));
        gate
    }

    /// Sends `bytes` of the body and holds the rest until the gate is opened.
    pub fn hold_after(self, bytes: u64) -> Gate {
        let gate = Gate::new();
        drop(self.held_by_after(&gate, bytes));
        gate
    }

    /// Like [`hold`](Self::hold), with a gate that may hold other responses too.
    #[must_use]
    pub fn held_by(self, gate: &Gate) -> Self {
        self.edit(|response| response.gate = Some(gate.clone()))
    }

    /// Like [`hold_after`](Self::hold_after), with a gate that may hold other responses too.
    #[must_use]
    pub fn held_by_after(self, gate: &Gate, bytes: u64) -> Self {
        self.edit(|response| response.body_script.hold = Some((bytes, gate.clone())))
    }

    /// Repeats the current response.
    ///
    /// # Panics
    /// If `times` is 0, or if there is no current response.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        assert!(times > 0, "a response is used at least once");
        self.unfinished().uses = Some(times);
        self
    }

    /// Ends the current response and starts the next one.
    #[must_use]
    pub fn then(mut self) -> Self {
        self.responses.extend(self.current.replace(one_time()));
        self
    }

    /// Ends the script: the following responses are normal. (This is the default; the method makes it
    /// explicit.)
    pub fn then_ok(self) {}

    /// Ends the script with the current response for all following requests.
    ///
    /// # Panics
    /// If there is no current response.
    pub fn forever(mut self) {
        self.unfinished().uses = None;
    }

    fn edit(mut self, shape: impl FnOnce(&mut ScriptedResponse)) -> Self {
        shape(self.current.get_or_insert_with(one_time));
        self
    }

    fn unfinished(&mut self) -> &mut ScriptedResponse {
        self.current
            .as_mut()
            .expect("a response was configured before")
    }
}

impl Drop for RouteScript<'_> {
    fn drop(&mut self) {
        let key = (self.key.clone(), self.method.clone(), self.before_auth);
        self.responses.extend(self.current.take());
        let mut state = self.shared.state();
        let queue = state.scripts.0.entry(key).or_default();
        queue.extend(self.responses.drain(..));
    }
}

fn one_time() -> ScriptedResponse {
    ScriptedResponse {
        uses: Some(1),
        ..ScriptedResponse::default()
    }
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::try_from(name).expect("HTTP allows the header's name")
}
