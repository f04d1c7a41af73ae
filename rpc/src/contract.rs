//! The table of methods as the server uses it: names, parameters, forms, and how to run each.
//!
//! # Invariants
//! * The table is expanded from the list of [`crate::api`]; there is no other registration.
//! * Parameters are named; an unknown name, a missing or a mistyped one is refused before the node
//!   is asked.
//!
//! # Spec
//! docs/spec/07-rpc.md §1-4
//!
//! # Not here
//! Who is let in: [`crate::access`]. The document: [`crate::discover`].

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use jsonrpsee::core::{JsonRawValue, to_json_raw_value};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use chain::Network;

use crate::api::{Audience, DEVELOPMENT, NodeApi, PRIVATE, READ, WORK, node_methods};
use crate::error::{RpcFailure, quote};
use crate::schema::{Described, Member, Parameters, SchemaBook};
use crate::subscription::{Queued, Subscription};
use crate::types::{
    AccountStatus, BanStatus, BlockReference, BlockView, BondPage, BondStatus, CommitteeStatus,
    Connect, EnvelopeEvent, EnvelopePage, EnvelopeStatus, FinalityEvent, FinalityStatus, Generate,
    Generated, GetAccount, GetBlock, GetBond, GetCommittee, GetEnvelope, GetEnvelopes, GetHeader,
    GetMasternode, GetMempool, GetOwned, GetSeats, GetStateHash, GetTemplate, GetTransaction, Head,
    HeaderStatus, KillPoint, MasternodePage, MasternodeStatus, MempoolPage, MempoolStatus,
    NodeStatus, PeerStatus, SeatPage, SetTime, StateHash, Submit, SubmitBlock, SubmitSolution,
    SubmittedBlock, SubmittedEnvelope, SubmittedTransaction, SupplyStatus, Template, Tip,
    TransactionStatus, Unsubscribe,
};

/// Any JSON text.
pub(crate) type Json = Box<JsonRawValue>;

/// One method of the contract.
#[derive(Debug)]
pub(crate) struct Method {
    /// Name on the wire.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
    /// Who may call it.
    pub(crate) audience: Audience,
    /// Names of its parameters.
    pub(crate) names: &'static [&'static str],
    /// Its parameters.
    pub(crate) members: fn(&mut SchemaBook) -> Vec<Member>,
    /// Form of its answer, or of its events.
    pub(crate) answer: fn(&mut SchemaBook) -> Value,
    /// How to run it.
    pub(crate) run: Run,
}

/// Asks a node for a `T`.
pub(crate) type Ask<T> =
    fn(Arc<dyn NodeApi>, Arguments) -> BoxFuture<'static, Result<T, RpcFailure>>;

/// How a method is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// Asks the node.
    Call(Ask<Json>),
    /// Opens a stream of events, ended by the method `unsubscribe`.
    Subscribe {
        /// Name of the method that ends it.
        unsubscribe: &'static str,
        /// Asks the node.
        open: Ask<Events>,
    },
    /// Ends a stream by the id that opening it has answered.
    Unsubscribe,
    /// Answers with the document.
    Discover,
}

/// An open stream whose events are JSON texts.
pub(crate) type Events = Box<dyn EventSource>;

/// See [`Events`].
#[async_trait]
pub(crate) trait EventSource: Send {
    /// The next event, or why there will be none.
    async fn next(&mut self) -> Result<Json, RpcFailure>;
}

#[async_trait]
impl<T: Queued + Serialize> EventSource for Subscription<T> {
    async fn next(&mut self) -> Result<Json, RpcFailure> {
        Subscription::next(self)
            .await
            .and_then(|event| encode(&event))
    }
}

impl Method {
    /// Whether the method exists on `network` behind `door`.
    pub(crate) fn is_served(&self, network: Network, door: Door) -> bool {
        match self.audience {
            Audience::Public { .. } => true,
            Audience::Private => door == Door::Private,
            Audience::Development => {
                door == Door::Private && matches!(network, Network::Dev | Network::Regtest)
            }
        }
    }
}

/// Which listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// For who holds the cookie.
    Private,
    /// For everybody.
    Public,
}

/// The parameters of a request as they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments(Option<Json>);

impl Arguments {
    pub(crate) fn new(params: Option<Json>) -> Self {
        Self(params)
    }

    /// Refuses anything but an object whose members are among `names`; no parameters may also be
    /// an empty array, which many clients send.
    pub(crate) fn check_names(&self, method: &Method) -> Result<(), RpcFailure> {
        let text = self.text();
        if !text.starts_with('{') {
            let none = text == "null" || text.starts_with('[') && text[1..].trim() == "]";
            return if none {
                Ok(())
            } else {
                Err(RpcFailure::invalid_params(
                    "parameters are named: send an object",
                ))
            };
        }
        let Names(found) = serde_json::from_str(text)
            .map_err(|error| RpcFailure::invalid_params(quote(&error.to_string())))?;
        let unknown = found
            .into_iter()
            .find(|name| !method.names.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| {
            let known = match method.names {
                [] => "none".to_owned(),
                names => names.join(", "),
            };
            let detail = format!("{} takes {known}; not `{}`", method.name, quote(&name));
            Err(RpcFailure::new(
                crate::ErrorCode::InvalidParams,
                "unknown_param",
                detail,
            ))
        })
    }

    /// The parameters of a method.
    pub(crate) fn read<P: DeserializeOwned>(&self) -> Result<P, RpcFailure> {
        let text = self.text();
        let text = if text.starts_with('{') { text } else { "{}" };
        serde_json::from_str(text)
            .map_err(|error| RpcFailure::invalid_params(quote(&error.to_string())))
    }

    fn text(&self) -> &str {
        self.0.as_ref().map_or("null", |text| text.get())
    }
}

/// The names of an object's members.
struct Names(BTreeSet<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of named parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.insert(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// `value` as JSON text.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Json, RpcFailure> {
    to_json_raw_value(value).map_err(|error| RpcFailure::internal(error.to_string()))
}

macro_rules! parameter_names {
    () => {
        &[]
    };
    ($parameters:ty) => {
        <$parameters as Parameters>::NAMES
    };
}

macro_rules! define_table {
    (
        calls { $(
            $(#[doc = $doc:literal])+ $wire:literal $audience:ident
                $name:ident($($parameters:ty)?) -> $answer:ty;
        )* }
        subscriptions { $(
            $(#[doc = $stream_doc:literal])+ $subscribe:literal / $unsubscribe:literal
                $stream_audience:ident $stream:ident($($stream_parameters:ty)?) -> $event:ty;
        )* }
    ) => {
        /// All methods of all listeners and networks.
        pub(crate) static METHODS: &[Method] = &[
            $(Method {
                name: $wire,
                summary: concat!($($doc),+),
                audience: $audience,
                names: parameter_names!($($parameters)?),
                members: |_book| {
                    let members = Vec::new();
                    $(let members = [members, <$parameters>::members(_book)].concat();)?
                    members
                },
                answer: <$answer as Described>::schema,
                run: Run::Call(|api, _arguments| async move {
                    encode(&api.$name($(_arguments.read::<$parameters>()?)?).await?)
                }.boxed()),
            },)*
            $(Method {
                name: $subscribe,
                summary: concat!($($stream_doc),+),
                audience: $stream_audience,
                names: parameter_names!($($stream_parameters)?),
                members: |_book| {
                    let members = Vec::new();
                    $(let members = [members, <$stream_parameters>::members(_book)].concat();)?
                    members
                },
                answer: <$event as Described>::schema,
                run: Run::Subscribe {
                    unsubscribe: $unsubscribe,
                    open: |api, _arguments| async move {
                        let events =
                            api.$stream($(_arguments.read::<$stream_parameters>()?)?).await?;
                        Ok(Box::new(events) as Events)
                    }.boxed(),
                },
            },
            Method {
                name: $unsubscribe,
                summary: concat!(" Ends a subscription of ", $subscribe, "."),
                audience: $stream_audience,
                names: <Unsubscribe as Parameters>::NAMES,
                members: <Unsubscribe as Parameters>::members,
                answer: <bool as Described>::schema,
                run: Run::Unsubscribe,
            },)*
            Method {
                name: "rpc.discover",
                summary: " This document.",
                audience: READ,
                names: &[],
                members: |_| Vec::new(),
                answer: <Value as Described>::schema,
                run: Run::Discover,
            },
        ];
    };
}

node_methods!(define_table);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn method(name: &str) -> &'static Method {
        METHODS
            .iter()
            .find(|method| method.name == name)
            .expect("a method of the table")
    }

    fn check(name: &str, params: &str) -> Result<(), RpcFailure> {
        let params = JsonRawValue::from_string(params.to_owned()).expect("JSON");
        Arguments::new(Some(params)).check_names(method(name))
    }

    #[test]
    fn names_are_unique() {
        let mut names = BTreeSet::new();
        for method in METHODS {
            assert!(names.insert(method.name), "{}", method.name);
        }
    }

    #[test]
    fn the_public_listener_serves_reads_submissions_and_their_subscriptions_only() {
        let public: Vec<&str> = METHODS
            .iter()
            .filter(|method| method.is_served(Network::Regtest, Door::Public))
            .map(|method| method.name)
            .collect();
        let expected = [
            "chain_getTip",
            "chain_getHeader",
            "chain_getBlock",
            "chain_getTransaction",
            "chain_getEnvelope",
            "chain_getEnvelopes",
            "chain_getAccount",
            "chain_getSupply",
            "chain_getFinality",
            "chain_getBond",
            "chain_getBonds",
            "chain_getMasternode",
            "chain_getMasternodes",
            "chain_getCommittee",
            "chain_getSeats",
            "chain_getStateHash",
            "tx_submit",
            "envelope_submit",
            "chain_subscribeHeads",
            "chain_unsubscribeHeads",
            "envelope_subscribe",
            "envelope_unsubscribe",
            "finality_subscribe",
            "finality_unsubscribe",
            "rpc.discover",
        ];
        assert_eq!(public, expected);
    }

    #[test]
    fn development_methods_do_not_exist_where_coins_are_real() {
        let development = |network| {
            let served = METHODS
                .iter()
                .filter(|method| method.is_served(network, Door::Private));
            served
                .filter(|method| method.name.starts_with("dev_"))
                .count()
        };
        assert_eq!(Network::ALL.map(development), [0, 0, 5, 5]);
    }

    #[test]
    fn parameters_are_named_and_known() {
        for none in ["null", "{}", "[]", "[ ]", "{ }"] {
            assert_eq!(check("chain_getTip", none), Ok(()), "{none}");
        }
        assert_eq!(
            check("chain_getEnvelopes", r#"{"from":1,"count":2}"#),
            Ok(())
        );
        let unknown = check("chain_getTip", r#"{"\u0434":1}"#).expect_err("unknown");
        assert_eq!(unknown.reason, "unknown_param");
        assert!(
            unknown
                .detail
                .contains("chain_getTip takes none; not `\u{434}`"),
            "{unknown}"
        );
        for positional in ["[1]", "7", "\"x\"", "true"] {
            let failure = check("chain_getEnvelopes", positional).expect_err(positional);
            assert_eq!(failure.code, ErrorCode::InvalidParams);
        }
    }
}
