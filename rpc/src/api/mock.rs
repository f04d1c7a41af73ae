//! A node that answers every call with the example of its published form, if the parameters are
//! the example of theirs.
//!
//! # Invariants
//! What it returns is made from the document, so a round trip through it proves that names, forms
//! and examples of the document are those of the wire.
//!
//! # Spec
//! docs/spec/07-rpc.md §7
//!
//! # Not here
//! A real node: `node`.

use std::any::Any;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::api::NodeApi;
use crate::error::RpcFailure;
use crate::schema::{Described, SchemaBook, sample};
use crate::subscription::{Queued, Subscription, channel};
use crate::types::{
    AccountStatus, BanStatus, BlockReference, BlockView, BondPage, BondStatus, CommitteeStatus,
    Connect, EnvelopeEvent, EnvelopePage, EnvelopeStatus, FinalityEvent, FinalityStatus, Generate,
    Generated, GetAccount, GetBlock, GetBond, GetCommittee, GetEnvelope, GetEnvelopes, GetHeader,
    GetMasternode, GetMempool, GetOwned, GetSeats, GetStateHash, GetTemplate, GetTransaction, Head,
    HeaderStatus, KillPoint, MasternodePage, MasternodeStatus, MempoolPage, MempoolStatus,
    NodeStatus, PeerStatus, SeatPage, SetTime, StateHash, Submit, SubmitBlock, SubmitSolution,
    SubmittedBlock, SubmittedEnvelope, SubmittedTransaction, SupplyStatus, Template, Tip,
    TransactionStatus,
};

/// See the module.
#[derive(Default)]
pub(crate) struct MockNode {
    /// The stream that the next subscription gets in the place of an example.
    stream: Mutex<Option<Box<dyn Any + Send>>>,
    /// Calls take a permit before they answer.
    held: Option<Arc<Semaphore>>,
    /// Whether streams go on after their example.
    streams: Streams,
    /// Publishers of streams that go on.
    open: Mutex<Vec<Box<dyn Any + Send>>>,
}

#[derive(Default, PartialEq, Eq)]
enum Streams {
    #[default]
    End,
    GoOn,
}

impl MockNode {
    /// A node whose next subscription reads `stream`.
    pub(crate) fn streaming<T: Queued>(stream: Subscription<T>) -> Self {
        Self {
            stream: Mutex::new(Some(Box::new(stream))),
            ..Self::default()
        }
    }

    /// A node whose calls wait for permits.
    pub(crate) fn held(permits: &Arc<Semaphore>) -> Self {
        Self {
            held: Some(Arc::clone(permits)),
            ..Self::default()
        }
    }

    /// A node whose streams are silent and do not end.
    pub(crate) fn endless() -> Self {
        Self {
            streams: Streams::GoOn,
            ..Self::default()
        }
    }

    async fn wait(&self) {
        if let Some(permits) = &self.held {
            permits.acquire().await.expect("never closed").forget();
        }
    }

    /// The given stream, or one example and then the end.
    fn events<T: Described + DeserializeOwned + Queued>(&self) -> Subscription<T> {
        let given = self.stream.lock().expect("not poisoned").take();
        if let Some(Ok(stream)) = given.map(|given| given.downcast::<Subscription<T>>()) {
            return *stream;
        }
        let (publisher, subscription) = channel();
        if self.streams == Streams::GoOn {
            self.open
                .lock()
                .expect("not poisoned")
                .push(Box::new(publisher));
            return subscription;
        }
        publisher.publish(example()).expect("an empty queue");
        publisher.close(RpcFailure::stopping());
        subscription
    }
}

/// The example of `T` as JSON.
pub(crate) fn example_json<T: Described>() -> serde_json::Value {
    let mut book = SchemaBook::default();
    let schema = T::schema(&mut book);
    sample(&schema, &book.into_value())
}

/// The example of `T`.
pub(crate) fn example<T: Described + DeserializeOwned>() -> T {
    serde_json::from_value(example_json::<T>()).expect("an example has the form it shows")
}

fn expect_example<T>(parameters: &T) -> Result<(), RpcFailure>
where
    T: Described + DeserializeOwned + Serialize + PartialEq,
{
    if *parameters == example() {
        return Ok(());
    }
    let found = serde_json::to_string(parameters).expect("parameters are JSON");
    Err(RpcFailure::rejected("not_the_example", found))
}

macro_rules! define_mock {
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
        #[async_trait]
        impl NodeApi for MockNode {
            $(
                async fn $name(
                    &self $(, parameters: $parameters)?
                ) -> Result<$answer, RpcFailure> {
                    $(expect_example::<$parameters>(&parameters)?;)?
                    self.wait().await;
                    Ok(example())
                }
            )*
            $(
                async fn $stream(
                    &self $(, parameters: $stream_parameters)?
                ) -> Result<Subscription<$event>, RpcFailure> {
                    $(expect_example::<$stream_parameters>(&parameters)?;)?
                    Ok(self.events())
                }
            )*
        }

        /// Calls every method of `api` with the example of its parameters and holds the answer
        /// against the example of its form; returns the names of the methods called.
        pub(crate) async fn call_every_method(api: &dyn NodeApi) -> Vec<&'static str> {
            let mut called = Vec::new();
            $(
                let answer = api.$name($(example::<$parameters>())?).await;
                assert_eq!(answer, Ok(example::<$answer>()), "{}", $wire);
                called.push($wire);
            )*
            $(
                let events = api.$stream($(example::<$stream_parameters>())?).await;
                let mut events = events.expect($subscribe);
                assert_eq!(events.next().await, Ok(example::<$event>()), "{}", $subscribe);
                assert_eq!(events.next().await, Err(RpcFailure::stopping()), "{}", $subscribe);
                called.extend([$subscribe, $unsubscribe]);
            )*
            called
        }
    };
}

node_methods!(define_mock);
