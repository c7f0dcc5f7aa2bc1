//! Where a request goes: a host of the service's table, by region and environment. Never from the agent's words,
//! a callback's or a token answer's.

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use wardlock_core::connection::Connection;
use wardlock_core::decision::Permit;
use wardlock_core::id::Region;
use wardlock_core::service::{RegionRow, ServiceDefinition};

/// Why a request has no place to go. All of them are faults of ours or of the service definition.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The permit's operation is not in its service.
    #[error("the permit is for no known operation")]
    NoOperation,
    /// The region's row has no such host.
    #[error("region `{region}` has no `{role}` host for environment `{environment}`")]
    NoHost {
        /// Region.
        region: String,
        /// Role of the host.
        role: String,
        /// Environment.
        environment: String,
    },
    /// The service has no such region.
    #[error("the service has no region `{0}`")]
    NoRegion(String),
    /// The host or path makes no URL, or not the one that was judged.
    #[error("the request makes no upstream URL")]
    NoUrl,
}

/// Returns the upstream URL for a permit, rendered from the canonical request that was judged.
pub(crate) fn of_permit(permit: &Permit) -> Result<Uri, RouteError> {
    let classified = permit.classified();
    let operation = classified.definition().ok_or(RouteError::NoOperation)?;
    let host = host_of(permit.connection(), &operation.host)?;
    url_on(host, &classified.request().path_and_query())
}

/// Returns the host for a role on a connection.
fn host_of<'a>(connection: &'a Connection, role: &str) -> Result<&'a str, RouteError> {
    connection.host(role).ok_or_else(|| RouteError::NoHost {
        region: connection.region.to_string(),
        role: role.to_owned(),
        environment: connection.environment.clone(),
    })
}

/// Returns a region's row of the service's table.
pub(crate) fn row<'a>(service: &'a ServiceDefinition, region: &Region) -> Result<&'a RegionRow, RouteError> {
    service.regions.get(region).ok_or_else(|| RouteError::NoRegion(region.to_string()))
}

/// Joins a host of the table and a rendered target; what comes out must be what was put in.
pub(crate) fn url_on(host: &str, target: &str) -> Result<Uri, RouteError> {
    let parsed: PathAndQuery = target.parse().map_err(|_| RouteError::NoUrl)?;
    let built = Uri::builder().scheme(Scheme::HTTPS).authority(host).path_and_query(parsed).build();
    let url = built.map_err(|_| RouteError::NoUrl)?;
    // The parser cuts a fragment off silently, among other things.
    if url.host() != Some(host) || url.path_and_query().map(PathAndQuery::as_str) != Some(target) {
        return Err(RouteError::NoUrl);
    }
    Ok(url)
}

/// Returns whether a host is one of the service's: checked again right before every call (promise 6).
pub(crate) fn is_listed(service: &ServiceDefinition, host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_err() && service.region_of_host(host).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stands_in_the_url_as_it_was_judged() {
        let target = "/crm/v8/Leads?fields=Last_Name%2CEmail&criteria=(a:b)";
        let url = url_on("www.zohoapis.eu", target).expect("a URL");
        assert_eq!(url.to_string(), format!("https://www.zohoapis.eu{target}"));
    }

    #[test]
    fn a_target_or_host_that_would_be_read_otherwise_is_refused() {
        for target in ["/a#b", "/a b", "a", "", "//evil#"] {
            assert!(url_on("www.zohoapis.eu", target).is_err(), "{target}");
        }
        for host in ["good@evil", "evil:443", "evil/x", "", "a b"] {
            assert!(url_on(host, "/x").is_err(), "{host}");
        }
    }
}
