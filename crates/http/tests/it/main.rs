//! Requests against small servers and proxies of the tests own.
