//! The OpenRPC document of a listener, made from the methods it serves.
//!
//! # Invariants
//! There is no second list: what is not served is not described, and the other way round.
//!
//! # Spec
//! docs/spec/07-rpc.md §7; OpenRPC 1.3.2
//!
//! # Not here
//! Schemas of the objects: [`crate::schema`].

use serde_json::{Map, Value, json};

use crate::api::Audience;
use crate::contract::{Method, Run};
use crate::error::ErrorCode;
use crate::limits;
use crate::schema::{Described, Member, Presence, SchemaBook};
use crate::types::SubscriptionName;

/// Version of the document's own form.
const OPENRPC: &str = "1.3.2";

/// The document of `methods`.
pub(crate) fn document(methods: impl Iterator<Item = &'static Method>) -> Value {
    let mut book = SchemaBook::default();
    let methods: Vec<Value> = methods.map(|method| describe(method, &mut book)).collect();
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "ChainChat node",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "GPL-3.0-or-later" },
            "description": "JSON-RPC 2.0 over HTTP POST and WebSocket, with named parameters. \
                Amounts are decimal strings of base units (1 X3C = 100000000); hashes and raw \
                objects are lower-case hexadecimal; heights are numbers.",
        },
        "methods": methods,
        "components": { "schemas": book.into_value() },
        "x-errors": errors(),
        "x-limits": limits(),
    })
}

fn describe(method: &Method, book: &mut SchemaBook) -> Value {
    let parameters: Vec<Value> = (method.members)(book).iter().map(parameter).collect();
    let answer = (method.answer)(book);
    let mut entry = Map::from_iter([
        ("name".to_owned(), json!(method.name)),
        ("summary".to_owned(), json!(method.summary.trim())),
        ("paramStructure".to_owned(), json!("by-name")),
        ("params".to_owned(), json!(parameters)),
        ("x-audience".to_owned(), audience(method.audience)),
    ]);
    let answer = if let Run::Subscribe { unsubscribe, .. } = method.run {
        let stream = json!({
            "notification": method.name,
            "unsubscribe": unsubscribe,
            "event": answer,
        });
        entry.insert("x-subscription".to_owned(), stream);
        SubscriptionName::schema(book)
    } else {
        answer
    };
    entry.insert(
        "result".to_owned(),
        json!({ "name": "result", "schema": answer }),
    );
    Value::Object(entry)
}

fn parameter(member: &Member) -> Value {
    json!({
        "name": member.name,
        "summary": member.summary,
        "required": member.presence == Presence::Required,
        "schema": member.schema,
    })
}

fn audience(audience: Audience) -> Value {
    match audience {
        Audience::Public { tokens } => json!({ "name": "public", "tokens": tokens }),
        Audience::Private => json!({ "name": "private" }),
        Audience::Development => json!({ "name": "development" }),
    }
}

fn errors() -> Vec<Value> {
    let codes = ErrorCode::ALL.iter();
    codes
        .map(|code| json!({ "code": code.number(), "message": code.meaning() }))
        .collect()
}

fn limits() -> Value {
    json!({
        "body_bytes_max": limits::BODY_BYTES_MAX,
        "public_body_bytes_max": limits::PUBLIC_BODY_BYTES_MAX,
        "response_bytes_max": limits::RESPONSE_BYTES_MAX,
        "batch_entries_max": limits::BATCH_ENTRIES_MAX,
        "depth_max": limits::DEPTH_MAX,
        "connections_max": limits::CONNECTIONS_MAX,
        "public_connections_max": limits::PUBLIC_CONNECTIONS_MAX,
        "public_connections_per_address_max": limits::PUBLIC_CONNECTIONS_PER_ADDRESS_MAX,
        "calls_in_flight_max": limits::CALLS_IN_FLIGHT_MAX,
        "subscriptions_per_connection_max": limits::SUBSCRIPTIONS_PER_CONNECTION_MAX,
        "subscription_queue_items_max": limits::SUBSCRIPTION_QUEUE_ITEMS_MAX,
        "subscription_queue_bytes_max": limits::SUBSCRIPTION_QUEUE_BYTES_MAX,
        "request_wait_ms_max": limits::REQUEST_WAIT_MS_MAX,
        "body_wait_ms_max": limits::BODY_WAIT_MS_MAX,
        "write_stall_ms_max": limits::WRITE_STALL_MS_MAX,
        "public_tokens_burst": limits::PUBLIC_TOKENS_BURST,
        "public_tokens_per_second": limits::PUBLIC_TOKENS_PER_SECOND,
        "public_answer_bytes_per_token": limits::PUBLIC_ANSWER_BYTES_PER_TOKEN,
        "envelope_blocks_max": limits::ENVELOPE_BLOCKS_MAX,
        "mempool_ids_max": limits::MEMPOOL_IDS_MAX,
        "seat_blocks_max": limits::SEAT_BLOCKS_MAX,
        "owned_looked_at_max": limits::OWNED_LOOKED_AT_MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::METHODS;

    #[test]
    fn the_document_is_the_published_one() {
        let document = document(METHODS.iter());
        let text = serde_json::to_string_pretty(&document).expect("a document");
        insta::with_settings!({
            snapshot_path => "../snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!("openrpc", text);
        });
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members
                        .values()
                        .for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = document(METHODS.iter());
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > METHODS.len() / 2, "{}", found.len());
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(
                document.pointer(pointer).is_some_and(Value::is_object),
                "{reference}"
            );
        }
    }
}
