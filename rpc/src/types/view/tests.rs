//! JSON forms of the chain's objects.

use super::*;
use chain::codec;
use chain::envelope::SizeClass;
use chain::transaction::{MnExit, MnRevive, Output, Prefix, Signed, Transfer, Unbond, Wake};
use chain::units::{BondId, MasternodeId, RateEpoch};
use chain::{AccountId, Amount, Body, PublicKey, Signature};
use serde_json::json;

fn transfer() -> Transaction {
    let output = Output {
        to: AccountId::from_bytes([7; 20]),
        amount: Amount::from_base(9),
    };
    let order = Order::Transfer(Signed {
        prefix: Prefix {
            nonce: 3,
            ..Prefix::default()
        },
        body: Transfer {
            outputs: vec![output],
        },
        signature: Signature::default(),
    });
    Transaction {
        version: Transaction::VERSION,
        order,
    }
}

fn envelope() -> Envelope {
    let class = SizeClass::SMALLEST;
    Envelope {
        kind: EnvelopeKind::Message,
        class,
        net: [0; 4],
        rate_epoch: RateEpoch::new(5),
        one_time_key: PublicKey::from_bytes([4; 32]),
        salt: [0; 16],
        body: vec![0; class.plaintext_len() + 16],
        auth: Auth::None,
        signature: Signature::default(),
    }
}

#[test]
fn a_block_is_named_by_exactly_one_of_height_and_id() {
    let id = Hex(BlockId::from_bytes([1; 32]));
    let ask = |height, id| {
        GetBlock {
            height,
            id,
            raw: None,
        }
        .block()
    };
    assert_eq!(
        ask(Some(3), None),
        Ok(BlockSelector::Height(Height::new(3)))
    );
    assert_eq!(ask(None, Some(id)), Ok(BlockSelector::Id(id.0)));
    for neither_nor in [ask(None, None), ask(Some(3), Some(id))] {
        assert_eq!(neither_nor.expect_err("ambiguous").reason, "height_or_id");
    }
    let selector = BlockSelector::Id(id.0);
    assert_eq!(GetHeader::from(selector).block(), Ok(selector));
    assert_eq!(
        GetBlock::new(selector, BlockForm::Raw).form(),
        BlockForm::Raw
    );
    assert_eq!(
        GetBlock::new(selector, BlockForm::Decoded).form(),
        BlockForm::Decoded
    );
}

#[test]
fn a_block_is_shown_decoded_or_raw() {
    let envelope = envelope();
    let body = Body {
        transactions: vec![transfer()],
        envelopes: vec![envelope.to_bytes()],
        ..Body::default()
    };
    let block = Block {
        header: Header::default(),
        body,
    };
    let decoded = BlockView::new(&block, Network::Dev, true, BlockForm::Decoded).expect("a block");
    assert_eq!(decoded.raw, None);
    let transaction = &decoded.transactions.as_ref().expect("decoded")[0];
    assert_eq!(
        (transaction.nonce, transaction.kind),
        (3, TransactionKind::Transfer)
    );
    let outputs = transaction.outputs.as_ref().expect("a transfer");
    assert_eq!(
        outputs[0].to.account_on(Network::Dev),
        Ok(AccountId::from_bytes([7; 20]))
    );
    let shown = &decoded.envelopes.as_ref().expect("decoded")[0];
    assert_eq!((shown.id, shown.rate_epoch), (Hex(envelope.mid()), 5));
    assert_eq!(shown.raw.envelope(), Ok(envelope));

    let raw = BlockView::new(&block, Network::Dev, true, BlockForm::Raw).expect("a block");
    assert_eq!(raw.transactions, None);
    let bytes = raw
        .raw
        .expect("raw")
        .bytes(Block::BYTES_MAX)
        .expect("hexadecimal");
    assert_eq!(bytes.len() as u64, raw.bytes);
    assert_eq!(codec::decode::<Block>(&bytes, Block::BYTES_MAX), Ok(block));
}

/// What the JSON form of an order says beyond what all kinds have.
fn shown<B>(body: B, order: impl FnOnce(Signed<B>) -> Order) -> serde_json::Value {
    let signed = Signed {
        prefix: Prefix::default(),
        body,
        signature: Signature::default(),
    };
    let transaction = Transaction {
        version: Transaction::VERSION,
        order: order(signed),
    };
    let view = TransactionView::new(&transaction, Network::Dev);
    let decoded = view.raw.decode::<Transaction>(Transaction::BYTES_MAX);
    assert_eq!(decoded, Ok(transaction));
    let mut json = serde_json::to_value(&view).expect("serialises");
    let members = json.as_object_mut().expect("an object");
    for common in ["id", "sender", "nonce", "max_fee", "tip", "raw"] {
        assert!(members.remove(common).is_some(), "{common}");
    }
    json
}

#[test]
fn orders_of_stake_and_masternodes_show_their_fields() {
    let (bond, masternode) = (BondId::new(3), MasternodeId::new(4));
    let key = |byte: u8| PublicKey::from_bytes([byte; 32]);
    let bonded = Bond {
        vote_key: key(1),
        amount: Amount::MAX,
        ..Bond::default()
    };
    let one = "01".repeat(32);
    assert_eq!(
        shown(bonded, Order::Bond),
        json!({"kind": "bond", "bond": {"vote_key": one, "amount": "10000000000000000"}})
    );
    assert_eq!(
        shown(Unbond { bond }, Order::Unbond),
        json!({"kind": "unbond", "bond_id": 3})
    );
    assert_eq!(
        shown(Wake { bond }, Order::Wake),
        json!({"kind": "wake", "bond_id": 3})
    );
    let payout = AccountId::from_bytes([7; 20]);
    let address = |ip: std::net::Ipv6Addr, port| ServiceAddress {
        ip: ip.octets(),
        port,
    };
    let ipv4 = std::net::Ipv4Addr::new(192, 0, 2, 7);
    let registration = MnRegister {
        operator_key: key(2),
        voting_key: key(1),
        payout,
        address: address(ipv4.to_ipv6_mapped(), 31213),
        service: 5,
        ..MnRegister::default()
    };
    let view = json!({
        "operator_key": "02".repeat(32),
        "voting_key": one,
        "payout": chain::Address::new(Network::Dev, payout).to_string(),
        "service_address": "192.0.2.7:31213",
        "service": 5,
    });
    assert_eq!(
        shown(registration, Order::MnRegister),
        json!({"kind": "mn_register", "registration": view})
    );
    let ipv6 = address(std::net::Ipv6Addr::LOCALHOST, 258);
    assert_eq!(socket(&ipv6).to_string(), "[::1]:258");
    assert_eq!(
        shown(MnRevive { masternode }, Order::MnRevive),
        json!({"kind": "mn_revive", "masternode_id": 4})
    );
    assert_eq!(
        shown(MnExit { masternode }, Order::MnExit),
        json!({"kind": "mn_exit", "masternode_id": 4})
    );
}

#[test]
fn a_header_shows_every_field() {
    let header = Header {
        nonce: u64::MAX,
        ..Header::default()
    };
    let view = HeaderView::new(&header, Network::Main);
    assert_eq!((view.id, view.nonce), (Hex(header.id()), u64::MAX));
    assert_eq!(view.raw.decode::<Header>(Header::BYTES), Ok(header));
}
