//! Scripts: what a route answers instead of the truth, and for how long.

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

/// What a script is about.
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
    /// Whatever belongs to an upload of a blob.
    Uploads,
    /// The referrers of a manifest.
    Referrers(String),
    /// The token endpoint.
    Token,
    /// Exactly this path.
    Path(String),
    EveryManifest,
    EveryBlob,
    /// Whatever it is.
    Every,
}

/// One scripted answer. What it leaves open is answered truly.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptedResponse {
    pub(super) gate: Option<Gate>,
    pub(super) status: Option<StatusCode>,
    /// Headers to set, or (without a value) to leave out.
    pub(super) headers: Vec<(HeaderName, Option<HeaderValue>)>,
    pub(super) body: Option<Bytes>,
    /// A page (media type, bytes) that has nothing of the truth, not even its headers.
    pub(super) page: Option<(String, Bytes)>,
    pub(super) range: Option<RangeFault>,
    pub(super) corrupt: Vec<u64>,
    pub(super) body_script: BodyScript,
    pub(super) expire_token: bool,
    /// How much is read of the request before the connection breaks.
    pub(super) body_limit: Option<usize>,
    pub(super) raw: Option<Bytes>,
    /// How often it is given; `None` is for ever.
    uses: Option<u64>,
}

/// A route whose next answers are being scripted; see the methods of [`Registry`](super::Registry).
///
/// Each method shapes the current answer; [`then`](Self::then) begins the next one. Answers are given in
/// order, each once unless told otherwise, and only to requests that are authorised (but see
/// [`before_auth`](Self::before_auth)). When they are used up, the route answers truly again. The script
/// takes effect as a whole when this value is dropped, that is, at the end of the statement.
#[derive(Debug)]
pub struct RouteScript<'a> {
    shared: &'a RegistryShared,
    key: RouteKey,
    /// `None` is any.
    method: Option<Method>,
    before_auth: bool,
    answers: Vec<ScriptedResponse>,
    current: Option<ScriptedResponse>,
}

/// All scripts of a registry.
#[derive(Debug, Default)]
pub(super) struct Scripts(HashMap<(RouteKey, Option<Method>, bool), VecDeque<ScriptedResponse>>);

impl Scripts {
    /// Takes the next answer of a script, if there is one: that for the method before that for any.
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
            let answers = self.0.get_mut(&(key.clone(), method, before_auth))?;
            let response = answers.front_mut()?;
            match &mut response.uses {
                None => Some(response.clone()),
                Some(1) => answers.pop_front(),
                Some(uses) => {
                    *uses -= 1;
                    Some(response.clone())
                }
            }
        })
    }

    /// Looks how much the next answer wants to hear of a request.
    pub(super) fn body_limit(&self, keys: &[RouteKey], method: &Method) -> Option<usize> {
        let methods = [Some(method.clone()), None];
        let places = keys.iter().flat_map(|key| {
            let methods = methods.clone().into_iter();
            methods
                .flat_map(|method| [true, false].map(|early| (key.clone(), method.clone(), early)))
        });
        let mut answers = places.filter_map(|place| self.0.get(&place)?.front());
        answers.find_map(|response| response.body_limit)
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
            answers: Vec::new(),
            current: None,
        }
    }

    /// Scripts the answers to `HEAD` rather than to `GET`.
    #[must_use]
    pub fn for_head(mut self) -> Self {
        self.method = Some(Method::HEAD);
        self
    }

    /// Scripts the answers to `POST` rather than to `GET`.
    #[must_use]
    pub fn for_post(mut self) -> Self {
        self.method = Some(Method::POST);
        self
    }

    /// Scripts the answers to `PUT` rather than to `GET`.
    #[must_use]
    pub fn for_put(mut self) -> Self {
        self.method = Some(Method::PUT);
        self
    }

    /// Scripts the answers to `PATCH` rather than to `GET`.
    #[must_use]
    pub fn for_patch(mut self) -> Self {
        self.method = Some(Method::PATCH);
        self
    }

    /// Scripts the answers to every method; those to one method come before these.
    #[must_use]
    pub fn for_any_method(mut self) -> Self {
        self.method = None;
        self
    }

    /// Gives the answers whether or not the request is authorised. The ping, the token endpoint and plain
    /// paths do that anyway.
    #[must_use]
    pub fn before_auth(mut self) -> Self {
        self.before_auth = true;
        self
    }

    /// Answers with `status`; from 300 up with an error envelope for a body, unless one is set.
    ///
    /// # Panics
    /// If it is not between 100 and 999.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status has three digits");
        self.edit(|response| response.status = Some(status))
    }

    /// Adds `Retry-After`, in seconds or whatever the text says.
    #[must_use]
    pub fn retry_after(self, when: impl std::fmt::Display) -> Self {
        self.header(RETRY_AFTER.as_str(), when.to_string())
    }

    /// Adds `Retry-After` as an HTTP date (RFC 9110, section 10.2.3), which knows no fractions of a second.
    #[must_use]
    pub fn retry_after_date(self, when: SystemTime) -> Self {
        self.retry_after(httpdate::fmt_http_date(when))
    }

    /// Answers 401 with a challenge, `Bearer realm="…"`, whether or not the request carries anything.
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

    /// Sets a header, in place of the true one.
    ///
    /// # Panics
    /// If HTTP does not allow it; [`raw`](Self::raw) asks nobody.
    #[must_use]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = header_name(name);
        let value = HeaderValue::from_bytes(value.as_ref()).expect("HTTP allows the value");
        self.edit(|response| response.headers.push((name, Some(value))))
    }

    /// Leaves a header out. Without `content-length` the body is sent in chunks.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        let name = header_name(name);
        self.edit(|response| response.headers.push((name, None)))
    }

    /// Says that the content has this digest (`Docker-RegistryContent-Digest`).
    #[must_use]
    pub fn digest(self, digest: impl std::fmt::Display) -> Self {
        self.header(DIGEST_HEADER.as_str(), digest.to_string())
    }

    /// Leaves `Docker-RegistryContent-Digest` out.
    #[must_use]
    pub fn without_digest(self) -> Self {
        self.without_header(DIGEST_HEADER.as_str())
    }

    /// Says that the content is so many bytes long (`RegistryContent-Length`). Only to a HEAD can this be a lie; to
    /// a GET it must be what is sent.
    #[must_use]
    pub fn size(self, bytes: u64) -> Self {
        self.header(CONTENT_LENGTH.as_str(), bytes.to_string())
    }

    /// Answers with this and nothing of the truth: 200, unless there is a status.
    #[must_use]
    pub fn page(self, media_type: &str, body: impl Into<Bytes>) -> Self {
        let page = (media_type.to_owned(), body.into());
        self.edit(|response| response.page = Some(page))
    }

    /// Answers with a page for people, 200, as a captive portal or a misled proxy does.
    #[must_use]
    pub fn html(self) -> Self {
        let page = "<!DOCTYPE html>\n<title>Welcome</title>\n<p>Please log in.</p>\n";
        self.page("text/html; charset=utf-8", page)
    }

    /// Sends other bytes; headers (also the digest) stay true, but for the length.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.edit(|response| response.body = Some(body))
    }

    /// Flips a bit in the byte at `offset` of the whole content, whatever range is asked for.
    #[must_use]
    pub fn corrupt(self, offset: u64) -> Self {
        self.edit(|response| response.corrupt.push(offset))
    }

    /// Closes the connection after `bytes` of this answer's body; the client gets all of these. Over HTTP/2
    /// it is the stream that ends, with `RST_STREAM`, about there.
    #[must_use]
    pub fn cut_after(self, bytes: u64) -> Self {
        self.edit(|response| response.body_script.cut = Some((bytes, CutKind::Close)))
    }

    /// Resets the connection (RST) after `bytes` of this answer's body. What the client has not read by
    /// then may be lost. Over HTTP/2 this is [`cut_after`](Self::cut_after).
    #[must_use]
    pub fn reset_after(self, bytes: u64) -> Self {
        self.edit(|response| response.body_script.cut = Some((bytes, CutKind::Reset)))
    }

    /// Sends `bytes` of the body and then nothing more, keeping the connection.
    #[must_use]
    pub fn stall_after(self, bytes: u64) -> Self {
        self.edit(|response| response.body_script.stall = Some(bytes))
    }

    /// Sends the body at this speed.
    #[must_use]
    pub fn throttle(self, bytes_per_second: u64) -> Self {
        self.edit(|response| response.body_script.rate = Some(bytes_per_second))
    }

    /// Sends a body without an end, in chunks; with a `content-length` header set, as long as that.
    #[must_use]
    pub fn endless(self) -> Self {
        self.edit(|response| response.body_script.endless = true)
    }

    /// Answers a range with a lie.
    #[must_use]
    pub fn range(self, fault: RangeFault) -> Self {
        self.edit(|response| response.range = Some(fault))
    }

    /// Answers 200 with everything, whatever range is asked for.
    #[must_use]
    pub fn ignore_range(self) -> Self {
        self.range(RangeFault::Ignored)
    }

    /// Answers a range with bytes that begin one too late.
    #[must_use]
    pub fn wrong_range(self) -> Self {
        self.range(RangeFault::StartsLate)
    }

    /// Forgets all tokens issued so far and asks for a new one (401).
    #[must_use]
    pub fn expire_token(self) -> Self {
        self.edit(|response| response.expire_token = true)
    }

    /// Reads `bytes` of the request's body, keeps them if it is an upload, and breaks the connection.
    #[must_use]
    pub fn hang_up_after(self, bytes: usize) -> Self {
        self.edit(|response| response.body_limit = Some(bytes))
    }

    /// Writes these bytes in place of an HTTP answer and closes. A throttle or a stall applies to them.
    /// HTTP/1 without TLS only.
    #[must_use]
    pub fn raw(self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.edit(|response| response.raw = Some(bytes))
    }

    /// Holds the answer, headers and all, until the gate is opened.
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

    /// As [`hold`](Self::hold), with a gate that may hold other answers too.
    #[must_use]
    pub fn held_by(self, gate: &Gate) -> Self {
        self.edit(|response| response.gate = Some(gate.clone()))
    }

    /// As [`hold_after`](Self::hold_after), with a gate that may hold other answers too.
    #[must_use]
    pub fn held_by_after(self, gate: &Gate, bytes: u64) -> Self {
        self.edit(|response| response.body_script.hold = Some((bytes, gate.clone())))
    }

    /// Gives the current answer so many times.
    ///
    /// # Panics
    /// If it is 0, or if there is no current answer.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        assert!(times > 0, "an answer is given at least once");
        self.unfinished().uses = Some(times);
        self
    }

    /// Ends the current answer; the next is yet to be shaped, and as true as it is left.
    #[must_use]
    pub fn then(mut self) -> Self {
        self.answers.extend(self.current.replace(one_time()));
        self
    }

    /// Ends the script: after this, the truth. (It would be the truth anyway; this says so.)
    pub fn then_ok(self) {}

    /// Ends the script by giving the current answer from now on for ever.
    ///
    /// # Panics
    /// If there is no current answer.
    pub fn forever(mut self) {
        self.unfinished().uses = None;
    }

    fn edit(mut self, shape: impl FnOnce(&mut ScriptedResponse)) -> Self {
        shape(self.current.get_or_insert_with(one_time));
        self
    }

    fn unfinished(&mut self) -> &mut ScriptedResponse {
        self.current.as_mut().expect("an answer comes first")
    }
}

impl Drop for RouteScript<'_> {
    fn drop(&mut self) {
        let key = (self.key.clone(), self.method.clone(), self.before_auth);
        self.answers.extend(self.current.take());
        let mut state = self.shared.state();
        let queue = state.scripts.0.entry(key).or_default();
        queue.extend(self.answers.drain(..));
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
