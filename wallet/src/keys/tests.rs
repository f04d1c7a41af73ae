//! Official vectors of BIP 39 and BIP 32; golden values of our paths, which a second
//! implementation in another language gave as well.

use bip32::Prefix;
use proptest::prelude::*;

use super::*;
use crate::testing;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| digit.to_digit(16).expect("a hex digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// 23 times the first word and its checksum word: 32 zero bytes of entropy.
fn zero_words() -> Words {
    Words::from_entropy(&[0; 32]).expect("24 words")
}

#[test]
fn bip_39_vectors_hold() {
    let table = [
        (
            "00000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon about",
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1\
             e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
            "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c8\
             0937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
        ),
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon art",
            "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3\
             cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
        ),
    ];
    for (entropy, text, seed) in table {
        let words = Words::from_entropy(&bytes(entropy)).expect("a valid length");
        assert_eq!(*words.reveal(), text);
        let parsed = Words::parse(text).expect("valid words");
        assert_eq!(hex(&parsed.0.to_seed_normalized("TREZOR")), seed);
    }
}

#[test]
fn bip_32_vectors_of_hardened_paths_hold() {
    let table: [(&str, &[u32], &str); 4] = [
        (
            "000102030405060708090a0b0c0d0e0f",
            &[0],
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11\
             eZG7XnxHrnYeSvkzY7d2bhkJ7",
        ),
        (
            "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d\
             5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
            &[0],
            "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCV\
             VFceUvJFjaPdGZ2y9WACViL4L",
        ),
        (
            "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
            &[0],
            "xprv9vB7xEWwNp9kh1wQRfCCQMnZUEG21LpbR9NPCNN1dwhiZkjjeGRnaALmPXCX7SgjFTiCTT6bXes17boXtj\
             q3xLpcDjzEuGLQBM5ohqkao9G",
        ),
        (
            "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
            &[0, 1],
            "xprv9xJocDuwtYCMNAo3Zw76WENQeAS6WGXQ55RCy7tDJ8oALr4FWkuVoHJeHVAcAqiZLE7Je3vZJHxspZdFHf\
             nBEjHqU5hG1Jaj32dVoS6XLT1",
        ),
    ];
    for (seed, path, expected) in table {
        let root = XPrv::new(&bytes(seed)).expect("a valid seed");
        let key = descend(&root, path).expect("a key exists");
        assert_eq!(*key.to_string(Prefix::XPRV), expected);
    }
}

#[test]
fn the_paths_of_main_are_golden() {
    let tree = KeyTree::new(&zero_words(), "", Network::Main, 0).expect("a tree");
    let account = |index| {
        let key = tree.account_key(index).expect("a key");
        (hex(key.public().as_bytes()), hex(key.account().as_bytes()))
    };
    let golden = |key: &str, account: &str| (key.to_owned(), account.to_owned());
    assert_eq!(
        account(0),
        golden(
            "3a9b507bba46a53ca67574a2f8cad21c585e095952ea48ffd2298c8562f1725e",
            "76893ad652a7e7adbdaa13bf5b92e2346127fdc7",
        )
    );
    assert_eq!(
        account(1),
        golden(
            "a9653c4a6223782dfa3594e47043a184334361bf9161b7dce7d28a076e7a1c5a",
            "7e64c97e4dad5c30b7797bf7ce3a28b71d368255",
        )
    );
    let inbox = tree.inbox_secret(3).expect("a secret");
    let conversation = tree.conversation_root(1).expect("a secret");
    let secrets = [
        (
            *inbox.expose(),
            "5304d7937f95fe19739d57516928fdd6cf42f1d12987c52e0a6114e0042f706d",
        ),
        (
            *conversation.expose(),
            "dab63daf86e5470b5c0f2ed76ed801692e651b3c8ffa6249749bfb7469bc7723",
        ),
        (
            *tree.self_root().expect("a secret").expose(),
            "e224469c27fd55e6b8910ca9d64135c4e36f426a6947444f06dba8ab7e7a0924",
        ),
        (
            *tree.credit_seed(0).expect("a secret").expose(),
            "2a5fc18659b69660cbaf6b930d3be8ceddc7f65cf1072f9b793f7842fbc5d09c",
        ),
    ];
    for (secret, golden) in secrets {
        assert_eq!(hex(&secret), golden);
    }
}

#[test]
fn networks_without_value_share_keys_that_main_does_not_have() {
    let golden = "2ceb736c702cb2becb7e3292b23769e960a3eceedaa8d8c3436d6c41cc3c090e";
    for network in [Network::Test, Network::Dev, Network::Regtest] {
        let tree = KeyTree::new(&zero_words(), "", network, 0).expect("a tree");
        assert_eq!(
            hex(tree.account_key(0).expect("a key").public().as_bytes()),
            golden
        );
    }
}

#[test]
fn passphrase_and_account_number_give_other_keys() {
    let tree = KeyTree::new(&zero_words(), "TREZOR", Network::Main, 1).expect("a tree");
    let golden = "8320af2fc29689770ec7d076ab0dcedc041127c5676f2c1c5784d6997aa96ac2";
    assert_eq!(
        hex(tree.account_key(0).expect("a key").public().as_bytes()),
        golden
    );
    let key = |passphrase| {
        let tree = KeyTree::new(&zero_words(), passphrase, Network::Main, 0).expect("a tree");
        tree.account_key(0).expect("a key").public()
    };
    // The same letters, composed and decomposed.
    assert_eq!(key("Zo\u{eb}"), key("Zoe\u{308}"));
    assert_ne!(key("Zoe"), key("Zo\u{eb}"));
}

#[test]
fn every_secret_has_a_place_of_its_own() {
    let tree = KeyTree::new(&zero_words(), "", Network::Main, 0).expect("a tree");
    let mut seen = std::collections::BTreeSet::new();
    for index in 0..4 {
        seen.insert(*tree.inbox_secret(index).expect("a secret").expose());
        seen.insert(*tree.conversation_root(index).expect("a secret").expose());
        seen.insert(*tree.credit_seed(index).expect("a secret").expose());
        seen.insert(*tree.account_key(index).expect("a key").public().as_bytes());
    }
    seen.insert(*tree.self_root().expect("a secret").expose());
    assert_eq!(seen.len(), 17);
}

#[test]
fn indexes_end_where_hardened_ones_do() {
    let tree = KeyTree::new(&zero_words(), "", Network::Main, 0).expect("a tree");
    let index = 1 << 31;
    assert_eq!(
        tree.account_key(index).err(),
        Some(KeyError::Index { index })
    );
    assert_eq!(
        tree.inbox_secret(u32::MAX).err(),
        Some(KeyError::Index { index: u32::MAX })
    );
    let refused = KeyTree::new(&zero_words(), "", Network::Main, index).err();
    assert_eq!(refused, Some(KeyError::Index { index }));
    assert!(tree.account_key(index - 1).is_ok());
}

#[test]
fn words_are_read_in_any_case_and_spacing() {
    let words = Words::generate(&mut testing::rng(5));
    let text = words.reveal();
    assert_eq!(text.split(' ').count(), 24);
    let typed = format!("  {}\n", text.to_uppercase().replace(' ', "\u{3000}\t"));
    assert_eq!(
        *Words::parse(&typed).expect("the same words").reveal(),
        *text
    );
}

#[test]
fn wrong_words_are_named_by_position_only() {
    let good = zero_words().reveal().to_string();
    let error = |text: &str| Words::parse(text).expect_err("refused");
    assert_eq!(error(""), KeyError::WordCount { found: 0 });
    assert_eq!(error(&good[8..]), KeyError::WordCount { found: 23 });
    // 15 words are BIP 39, but nobody was ever given them here.
    let fifteen = "abandon ".repeat(14) + "address";
    assert_eq!(error(&fifteen), KeyError::WordCount { found: 15 });
    let unknown = good.replacen("abandon art", "abandom art", 1);
    assert_eq!(error(&unknown), KeyError::UnknownWord { position: 23 });
    assert!(!error(&unknown).to_string().contains("abandom"));
    assert_eq!(
        error(&good.replacen("art", "zoo", 1)),
        KeyError::WordChecksum
    );
}

#[test]
fn secrets_print_nothing_of_themselves() {
    let seed = Seed {
        words: zero_words(),
        passphrase: Zeroizing::new("hunter2".to_owned()),
        birthday: Height::new(7),
    };
    let tree = KeyTree::new(&seed.words, &seed.passphrase, Network::Main, 0).expect("a tree");
    let key = tree.account_key(0).expect("a key");
    let printed = [
        (format!("{:?}", seed.words), "Words(secret)".to_owned()),
        (format!("{seed:?}"), "Seed(secret, birthday 7)".to_owned()),
        (format!("{tree:?}"), "KeyTree(secret)".to_owned()),
        (
            format!("{key:?}"),
            format!("AccountKey(secret, {:?})", key.account()),
        ),
        (
            format!("{:?}", tree.inbox_secret(0)),
            "Ok(InboxSecret(secret))".to_owned(),
        ),
        (
            format!("{:?}", tree.conversation_root(0)),
            "Ok(ConversationRoot(secret))".to_owned(),
        ),
        (
            format!("{:?}", tree.self_root()),
            "Ok(SelfRoot(secret))".to_owned(),
        ),
        (
            format!("{:?}", tree.credit_seed(0)),
            "Ok(CreditSeed(secret))".to_owned(),
        ),
    ];
    for (shown, expected) in printed {
        assert_eq!(shown, expected);
    }
}

#[test]
fn a_seed_survives_the_round_trip_and_damage_is_refused() {
    for entropy in [&[3; 16][..], &[4; 32]] {
        let words = Words::from_entropy(entropy).expect("a valid length");
        let passphrase = Zeroizing::new("päss".to_owned());
        let seed = Seed {
            words,
            passphrase,
            birthday: Height::new(9),
        };
        let stored = seed.to_bytes().expect("short");
        let read = Seed::from_bytes(&stored).expect("whole");
        assert_eq!(*read.words.reveal(), *seed.words.reveal());
        assert_eq!(
            (&*read.passphrase, read.birthday),
            (&"päss".to_owned(), seed.birthday)
        );
        for length in 0..10 + entropy.len() {
            assert_eq!(
                Seed::from_bytes(&stored[..length]).err(),
                Some(KeyError::Seed)
            );
        }
        for (position, byte) in [(0, 2), (9, 20), (9, 255), (stored.len() - 1, 0xff)] {
            let mut damaged = stored.to_vec();
            damaged[position] = byte;
            assert_eq!(Seed::from_bytes(&damaged).err(), Some(KeyError::Seed));
        }
    }
}

#[test]
fn a_passphrase_beyond_the_limit_is_not_kept() {
    let (found, max) = (Seed::PASSPHRASE_BYTES_MAX + 1, Seed::PASSPHRASE_BYTES_MAX);
    let passphrase = Zeroizing::new("x".repeat(found));
    let seed = Seed {
        words: zero_words(),
        passphrase,
        birthday: Height::new(0),
    };
    assert_eq!(
        seed.to_bytes().err(),
        Some(KeyError::PassphraseTooLong { found, max })
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", stored in any::<Vec<u8>>()) {
        let _ = Words::parse(&text);
        let _ = Seed::from_bytes(&stored);
    }
}
