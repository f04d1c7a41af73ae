//! Who is let in: host, origin, cookie, method and content type of a request, in this order.
//!
//! # Invariants
//! * A page in the local browser gets nowhere: its origin is foreign, it has no cookie, and the
//!   content type that is required makes it ask first, which is refused.
//! * A name that an attacker points at this machine (DNS rebinding) is a foreign host.
//! * WebSocket upgrades pass the same checks as POST.
//!
//! # Spec
//! docs/spec/07-rpc.md §1
//!
//! # Not here
//! Methods of the contract: [`crate::contract`]. Rates: [`crate::rate`].

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};

use crate::cookie::Cookie;
use crate::error::{ErrorCode, RpcFailure};

/// Which `Host` headers are accepted.
#[derive(Clone, Debug)]
pub(crate) enum HostRule {
    /// Names of this machine's loopback, and these (lower case, without port).
    Listed(Vec<String>),
    /// All: the listener is meant for others, who know it by names this side does not know.
    Any,
}

impl HostRule {
    /// Loopback names, the bound address if it is a particular one, and `further` names.
    pub(crate) fn listed(bound: SocketAddr, further: &[String]) -> Self {
        let mut names: Vec<String> = further
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        if !bound.ip().is_unspecified() {
            names.push(host_form(bound.ip()));
        }
        Self::Listed(names)
    }

    fn accepts(&self, host: &str) -> bool {
        let Self::Listed(names) = self else {
            return true;
        };
        let loopback = ["localhost", "127.0.0.1", "[::1]"];
        loopback.iter().any(|name| name.eq_ignore_ascii_case(host))
            || names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// An address as it stands in a `Host` header.
fn host_form(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// The rules of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Accepted hosts.
    pub(crate) hosts: HostRule,
    /// Accepted foreign origins, as browsers write them: `https://example.org`.
    pub(crate) origins: Vec<String>,
    /// The secret that every request must carry, if any.
    pub(crate) cookie: Option<Cookie>,
}

/// How a caller talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// One HTTP request.
    Post,
    /// A WebSocket, about to be opened.
    WebSocket,
}

/// Why a request is not looked at, and the status that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) failure: RpcFailure,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: ErrorCode,
        reason: &'static str,
        detail: &str,
    ) -> Self {
        Self {
            status,
            failure: RpcFailure::new(code, reason, detail),
        }
    }
}

impl Access {
    /// Lets a request in or says why not. `is_upgrade` is whether it asks for a WebSocket.
    pub(crate) fn admit(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        is_upgrade: bool,
    ) -> Result<Channel, Refusal> {
        let host = self.check_host(uri, headers)?;
        self.check_origin(&host, headers)?;
        self.check_cookie(headers)?;
        if is_upgrade && method == Method::GET {
            return Ok(Channel::WebSocket);
        }
        if method != Method::POST {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::InvalidRequest,
                "method_not_allowed",
                "send requests by POST or open a WebSocket",
            ));
        }
        check_content_type(headers)?;
        Ok(Channel::Post)
    }

    /// Checks the host alone.
    pub(crate) fn admit_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        self.check_host(uri, headers).map(|_| ())
    }

    /// The `Host` header, if it names this listener.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Refusal> {
        let host = only(headers, HOST).and_then(|host| host.parse::<Authority>().ok());
        let is_known = |authority: &Authority| {
            has_host_form(authority) && self.hosts.accepts(authority.host())
        };
        let uri_is_known = uri.authority().is_none_or(is_known);
        match host {
            Some(host) if uri_is_known && is_known(&host) => Ok(host),
            _ => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Forbidden,
                "foreign_host",
                "call the node by a loopback name or one that its configuration lists",
            )),
        }
    }

    /// A request without `Origin` comes from no browser; one with it must come from a listed page
    /// or from the very address it calls.
    fn check_origin(&self, host: &Authority, headers: &HeaderMap) -> Result<(), Refusal> {
        if !headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let own = format!("http://{host}");
        let is_known = |origin: &str| {
            let listed = self
                .origins
                .iter()
                .any(|known| known.eq_ignore_ascii_case(origin));
            listed || own.eq_ignore_ascii_case(origin)
        };
        if only(headers, ORIGIN).is_some_and(is_known) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Forbidden,
            "foreign_origin",
            "web pages may not call the node; the app serves its own",
        ))
    }

    fn check_cookie(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(cookie) = &self.cookie else {
            return Ok(());
        };
        let mut credentials = headers.get_all(AUTHORIZATION).iter();
        let refusal = |reason, detail| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                ErrorCode::Unauthorized,
                reason,
                detail,
            )
        };
        match (credentials.next(), credentials.next()) {
            (Some(value), None) if cookie.is_carried_by(value.as_bytes()) => Ok(()),
            (None, _) => Err(refusal(
                "no_cookie",
                "send `Authorization: Bearer` with the digits of the node's .cookie file",
            )),
            _ => Err(refusal(
                "bad_cookie",
                "the cookie is not this node's; it is new at every start, read .cookie again",
            )),
        }
    }
}

/// Whether there is nothing but a host and perhaps a port.
fn has_host_form(authority: &Authority) -> bool {
    match authority.as_str().strip_prefix(authority.host()) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    }
}

/// `application/json`, perhaps with `charset=utf-8`.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_json = only(headers, CONTENT_TYPE).is_some_and(|value| {
        let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
        let parameters = parameters.trim();
        kind.trim().eq_ignore_ascii_case("application/json")
            && (parameters.is_empty() || parameters.eq_ignore_ascii_case("charset=utf-8"))
    });
    if is_json {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::InvalidRequest,
        "content_type",
        "send `Content-Type: application/json`",
    ))
}

/// The value of a header that occurs exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let bound = SocketAddr::from(([127, 0, 0, 5], 31211));
        Access {
            hosts: HostRule::listed(bound, &["Node.Example".to_owned()]),
            origins: vec!["https://page.example".to_owned()],
            cookie: Some(Cookie::new(&[0xab; 32])),
        }
    }

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let digits = "ab".repeat(32);
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {digits}");
        headers.append(AUTHORIZATION, bearer.parse().expect("a header"));
        headers.append(CONTENT_TYPE, "application/json".parse().expect("a header"));
        for (name, value) in lines {
            headers.append(name, value.parse().expect("a header"));
        }
        headers
    }

    fn admit(lines: &[(HeaderName, &str)]) -> Result<Channel, String> {
        let uri = Uri::from_static("/");
        let admitted = access().admit(&Method::POST, &uri, &headers(lines), false);
        admitted.map_err(|refusal| refusal.failure.reason.into_owned())
    }

    #[test]
    fn loopback_listed_and_bound_names_are_hosts_with_any_port_and_case() {
        for host in [
            "127.0.0.1",
            "LocalHost:31211",
            "[::1]:1",
            "node.example:80",
            "127.0.0.5:9",
        ] {
            assert_eq!(admit(&[(HOST, host)]), Ok(Channel::Post), "{host}");
        }
        let foreign = Err("foreign_host".to_owned());
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.2",
            "localhost:x",
            "",
            "::1",
            "a b",
        ] {
            assert_eq!(admit(&[(HOST, host)]), foreign, "{host}");
        }
        assert_eq!(admit(&[]), foreign, "no host");
        assert_eq!(
            admit(&[(HOST, "localhost"), (HOST, "localhost")]),
            foreign,
            "two hosts"
        );
        let uri = Uri::from_static("http://evil.example/");
        let refused = access().admit(&Method::POST, &uri, &headers(&[(HOST, "localhost")]), false);
        assert_eq!(
            refused.expect_err("absolute form").status,
            StatusCode::FORBIDDEN
        );
    }

    #[test]
    fn an_origin_must_be_listed_or_the_very_address_called() {
        let host = (HOST, "127.0.0.1:31211");
        for origin in ["http://127.0.0.1:31211", "https://page.example"] {
            assert_eq!(
                admit(&[host.clone(), (ORIGIN, origin)]),
                Ok(Channel::Post),
                "{origin}"
            );
        }
        for origin in [
            "null",
            "http://127.0.0.1:8080",
            "http://localhost:31211",
            "https://127.0.0.1:31211",
            "http://page.example",
            "https://page.example.evil",
        ] {
            let refused = admit(&[host.clone(), (ORIGIN, origin)]);
            assert_eq!(refused, Err("foreign_origin".to_owned()), "{origin}");
        }
    }

    #[test]
    fn an_upgrade_is_let_in_with_the_cookie_only() {
        let uri = Uri::from_static("/");
        let mut headers = headers(&[(HOST, "localhost")]);
        let upgrade = access().admit(&Method::GET, &uri, &headers, true);
        assert_eq!(upgrade, Ok(Channel::WebSocket));
        headers.append(AUTHORIZATION, "Bearer x".parse().expect("a header"));
        let two = access()
            .admit(&Method::GET, &uri, &headers, true)
            .expect_err("ambiguous");
        assert_eq!(
            (two.status.as_u16(), two.failure.reason.as_ref()),
            (401, "bad_cookie")
        );
        headers.remove(AUTHORIZATION);
        let none = access()
            .admit(&Method::GET, &uri, &headers, true)
            .expect_err("no cookie");
        assert_eq!(
            (none.status.as_u16(), none.failure.reason.as_ref()),
            (401, "no_cookie")
        );
    }

    #[test]
    fn only_json_by_post_is_read() {
        let uri = Uri::from_static("/");
        let mut headers = headers(&[(HOST, "localhost")]);
        for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD] {
            let refused = access()
                .admit(&method, &uri, &headers, false)
                .expect_err("not POST");
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }
        for (kind, status) in [
            ("application/json; charset=UTF-8", None),
            ("text/plain", Some(415)),
            ("application/x-www-form-urlencoded", Some(415)),
            ("application/json; charset=utf-7", Some(415)),
            ("application/jsonx", Some(415)),
        ] {
            headers.insert(CONTENT_TYPE, kind.parse().expect("a header"));
            let refused = access().admit(&Method::POST, &uri, &headers, false).err();
            assert_eq!(
                refused.map(|refusal| refusal.status.as_u16()),
                status,
                "{kind}"
            );
        }
    }
}
