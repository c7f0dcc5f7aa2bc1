//! `wardlock policy explain`: what is to be explained, as somebody writes it: a request, a line for curl, or the id of one that is kept.

use super::args::ExplainArgs;
use super::plugin_args::request_id;
use super::remote::split;
use crate::admin::{Command, Failure};
use crate::plugin::curl::{self, CurlRequest, Header};
use crate::plugin::observed::{as_upstream, named};
use crate::text::encode_base64;

/// In whose name a request is asked about where nobody is named.
const NOBODY: &str = "explain";
/// Headers in which an agent's token comes. Whose a request is, is not asked here, so none leaves the command line.
const OF_TOKENS: [&str; 3] = ["authorization", "wardlock-token", "cookie"];
/// How a request is written out.
const WRITTEN_OUT: &str = "wardlock policy explain WORKSPACE/CONNECTION METHOD TARGET";

/// Makes the command of what was written.
pub fn command(args: &ExplainArgs) -> Result<Command, Failure> {
    match (&args.what, &args.curl, &args.method, &args.target) {
        (connection, Some(line), None, None) => of_line(args, line, connection.as_deref()),
        (Some(what), None, ..) if what == "curl" => {
            Err(Failure::usage("a line for curl is one word here").hint(curl::QUOTED))
        }
        (Some(what), None, Some(method), Some(target)) => written_out(args, what, method, target),
        (Some(line), None, None, None) if curl::is_line(line) => of_line(args, line, None),
        (Some(id), None, None, None) if id.starts_with("req_") => {
            alone(args)?;
            Ok(Command::PolicyExplainRequest { request_id: request_id(id).map_err(Failure::usage)? })
        }
        (Some(id), None, None, None) if id.starts_with("draft_") => {
            alone(args)?;
            Ok(Command::PolicyExplainDraft { id: id.clone() })
        }
        _ => Err(Failure::usage("a connection, a method and a target are wanted").hint(format!(
            "{WRITTEN_OUT}; or the id of a recorded request or of a draft by itself, or `--curl LINE`"
        ))),
    }
}

/// What is kept says everything of itself.
fn alone(args: &ExplainArgs) -> Result<(), Failure> {
    let has_more =
        args.agent.is_some() || args.body.is_some() || args.purpose.is_some() || !args.headers.is_empty();
    if has_more {
        return Err(Failure::usage("a request that is kept has its own agent, headers, body and purpose")
            .hint(format!("leave those out; or write the request out: {WRITTEN_OUT}")));
    }
    Ok(())
}

fn written_out(args: &ExplainArgs, connection: &str, method: &str, target: &str) -> Result<Command, Failure> {
    let (workspace, connection) = split(connection)?;
    let body = match &args.body {
        Some(file) => crate::home::read_operator_file(file).map_err(Failure::of_named_file)?,
        None => Vec::new(),
    };
    let headers = args.headers.iter().map(|text| {
        curl::header(text).map_err(|error| Failure::usage(&error).hint("write it as `--header 'Name: value'`"))
    });
    Ok(Command::PolicyExplain {
        workspace,
        connection,
        agent: agent(args),
        method: method.to_owned(),
        target: target.to_owned(),
        headers: without_tokens(headers.collect::<Result<_, _>>()?),
        body: encode_base64(&body),
        purpose: args.purpose.clone(),
    })
}

/// Reads a line for curl. Its address is the agents' own, or the upstream's with the connection beside it.
fn of_line(args: &ExplainArgs, line: &str, connection: Option<&str>) -> Result<Command, Failure> {
    if args.body.is_some() || args.purpose.is_some() || !args.headers.is_empty() {
        return Err(Failure::usage("a line for curl has its own headers and body")
            .hint("write them into the line: -H 'Wardlock-Purpose: …', -d BODY"));
    }
    let CurlRequest { method, target, headers, body } =
        curl::parse(line).map_err(|error| Failure::usage(&error).hint(error.hint()))?;
    let (workspace, connection) = match connection {
        Some(connection) => split(connection)?,
        None => named(&target).map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or_else(|| {
            Failure::usage("the address names no connection").hint(
                "give an agent's own address, `http://HOST/WORKSPACE/CONNECTION/PATH`, or the connection before `--curl`",
            )
        })?,
    };
    let target = as_upstream(target, &workspace, &connection);
    Ok(Command::PolicyExplain {
        workspace,
        connection,
        agent: agent(args),
        method,
        target,
        headers: without_tokens(headers),
        body: encode_base64(body.unwrap_or_default().as_bytes()),
        purpose: None,
    })
}

fn agent(args: &ExplainArgs) -> String {
    args.agent.clone().unwrap_or_else(|| NOBODY.to_owned())
}

fn without_tokens(headers: Vec<Header>) -> Vec<Header> {
    headers.into_iter().filter(|(name, _)| !OF_TOKENS.contains(&name.as_str())).collect()
}
