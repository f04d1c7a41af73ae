//! From recovery words to every key of an account: BIP 39, then BIP 32 with hardened levels only.
//!
//! # Invariants
//! * All levels are hardened; no extended key, public or private, leaves this module.
//! * The same words, passphrase and network give the same keys for ever; golden values hold it.
//! * Everything secret is erased when dropped. What the BIP 32 library keeps on the stack while it
//!   derives is out of our reach.
//!
//! # Spec
//! docs/spec/08-wallet.md §1-2; BIP 39, BIP 32, BIP 44
//!
//! # Not here
//! Keys inside conversations (`messenger`), random per-device secrets (the vault of `app`).

use std::borrow::Cow;
use std::fmt;

use bip32::{ChildNumber, XPrv};
use bip39::{Language, Mnemonic};
use chain::{AccountId, Height, Network, PublicKey, hash};
use rand_core::CryptoRng;
use secp256k1::Keypair;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::secret::{ConversationRoot, CreditSeed, InboxSecret, SelfRoot};

/// Purpose level of BIP 44.
const PURPOSE: u32 = 44;
/// Coin type on main.
const COIN_TYPE_MAIN: u32 = 5_780_291;
/// Coin type of every network without value.
const COIN_TYPE_TEST: u32 = 1;

/// blake3 contexts of the secrets handed to `messenger`.
mod context {
    use chain::hash::Context;

    pub(super) static INBOX: Context = Context::new("ChainChat v1 inbox xwing");
    pub(super) static CONVERSATION_ROOT: Context = Context::new("ChainChat v1 conv root");
    pub(super) static SELF_ROOT: Context = Context::new("ChainChat v1 self root");
}

/// The level below the account that says what a key is for.
#[derive(Clone, Copy)]
enum Branch {
    Account = 0,
    Inbox = 2,
    Conversation = 3,
    SelfConversation = 5,
    Credit = 6,
}

/// Recovery words: 24 English words of BIP 39 (12 are accepted when restoring).
pub struct Words(Mnemonic);

impl Words {
    /// 24 new words.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut entropy = Zeroizing::new([0; 32]);
        rng.fill_bytes(entropy.as_mut());
        Self::from_entropy(entropy.as_ref()).expect("32 bytes are 24 words")
    }

    /// Reads 24 or 12 words, in any case, with any white space between them.
    ///
    /// # Errors
    /// [`KeyError::WordCount`], [`KeyError::UnknownWord`], [`KeyError::WordChecksum`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = Zeroizing::new(normalized(text).to_lowercase());
        let found = text.split_whitespace().count();
        if found != 24 && found != 12 {
            return Err(KeyError::WordCount { found });
        }
        Mnemonic::parse_in_normalized(Language::English, &text)
            .map(Self)
            .map_err(|error| match error {
                bip39::Error::UnknownWord(before) => KeyError::UnknownWord {
                    position: before.saturating_add(1),
                },
                _ => KeyError::WordChecksum,
            })
    }

    /// The words, to be shown to their owner on a screen meant for it.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        // 24 words of at most 8 letters; reserved at once, so that no copy stays behind.
        let mut text = Zeroizing::new(String::with_capacity(24 * 9));
        for word in self.0.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    fn from_entropy(entropy: &[u8]) -> Result<Self, KeyError> {
        match entropy.len() {
            16 | 32 => Mnemonic::from_entropy_in(Language::English, entropy)
                .map(Self)
                .map_err(|_| KeyError::Seed),
            _ => Err(KeyError::Seed),
        }
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(secret)")
    }
}

/// What a keystore keeps: everything that a restored wallet begins with.
pub struct Seed {
    /// The recovery words.
    pub words: Words,
    /// The optional second secret of BIP 39; empty if there is none.
    pub passphrase: Zeroizing<String>,
    /// No coin or message of this seed is older than this height.
    pub birthday: Height,
}

impl Seed {
    /// Layout version of [`Seed::to_bytes`].
    const VERSION: u8 = 1;
    /// Bytes of a passphrase that are kept; far above what anybody types.
    pub const PASSPHRASE_BYTES_MAX: usize = 1024;

    /// `version u8=1 | birthday u64 | entropy length u8 | entropy | passphrase (rest, UTF-8)`:
    /// the plaintext for [`crate::keystore::seal`].
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooLong`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let found = self.passphrase.len();
        if found > Self::PASSPHRASE_BYTES_MAX {
            return Err(KeyError::PassphraseTooLong {
                found,
                max: Self::PASSPHRASE_BYTES_MAX,
            });
        }
        let entropy = Zeroizing::new(self.words.0.to_entropy());
        let length = u8::try_from(entropy.len()).expect("entropy has at most 32 bytes");
        let mut bytes = Zeroizing::new(Vec::with_capacity(10 + entropy.len() + found));
        bytes.push(Self::VERSION);
        bytes.extend_from_slice(&self.birthday.get().to_le_bytes());
        bytes.push(length);
        bytes.extend_from_slice(&entropy);
        bytes.extend_from_slice(self.passphrase.as_bytes());
        Ok(bytes)
    }

    /// Reads [`Seed::to_bytes`].
    ///
    /// # Errors
    /// [`KeyError::Seed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let fields = || {
            let (&[version], rest) = bytes.split_first_chunk::<1>()?;
            let (birthday, rest) = rest.split_first_chunk::<8>()?;
            let (&[length], rest) = rest.split_first_chunk::<1>()?;
            let (entropy, passphrase) = rest.split_at_checked(usize::from(length))?;
            let passphrase = std::str::from_utf8(passphrase).ok()?;
            let known = version == Self::VERSION && passphrase.len() <= Self::PASSPHRASE_BYTES_MAX;
            known.then_some((u64::from_le_bytes(*birthday), entropy, passphrase))
        };
        let (birthday, entropy, passphrase) = fields().ok_or(KeyError::Seed)?;
        Ok(Self {
            words: Words::from_entropy(entropy)?,
            passphrase: Zeroizing::new(passphrase.to_owned()),
            birthday: Height::new(birthday),
        })
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed(secret, birthday {})", self.birthday)
    }
}

/// All keys of one account level `m/44'/coin'/a'`.
pub struct KeyTree(XPrv);

impl KeyTree {
    /// The keys of account `a` of these words on `network`; the first account is 0.
    ///
    /// # Errors
    /// [`KeyError::Index`], [`KeyError::NoKeyHere`].
    pub fn new(
        words: &Words,
        passphrase: &str,
        network: Network,
        account: u32,
    ) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(words.0.to_seed_normalized(&normalized(passphrase)));
        let coin_type = match network {
            Network::Main => COIN_TYPE_MAIN,
            Network::Test | Network::Dev | Network::Regtest => COIN_TYPE_TEST,
        };
        let root = XPrv::new(&*seed).map_err(|_| KeyError::NoKeyHere)?;
        descend(&root, &[PURPOSE, coin_type, account]).map(Self)
    }

    /// The signing key of address `index` (`…/0'/index'`); index 0 is the account's identity.
    ///
    /// # Errors
    /// [`KeyError::Index`], [`KeyError::NoKeyHere`].
    pub fn account_key(&self, index: u32) -> Result<AccountKey, KeyError> {
        let child = self.child(Branch::Account, index)?;
        Keypair::from_secret_bytes(*child)
            .map(AccountKey)
            .map_err(|_| KeyError::NoKeyHere)
    }

    /// The secret of inbox generation `generation` (`…/2'/generation'`).
    ///
    /// # Errors
    /// [`KeyError::Index`], [`KeyError::NoKeyHere`].
    pub fn inbox_secret(&self, generation: u32) -> Result<InboxSecret, KeyError> {
        let child = self.child(Branch::Inbox, generation)?;
        Ok(InboxSecret::new(hash::derive(
            &context::INBOX,
            &[child.as_ref()],
        )))
    }

    /// The root of the `index`-th conversation created by this account (`…/3'/index'`).
    ///
    /// # Errors
    /// [`KeyError::Index`], [`KeyError::NoKeyHere`].
    pub fn conversation_root(&self, index: u32) -> Result<ConversationRoot, KeyError> {
        let child = self.child(Branch::Conversation, index)?;
        Ok(ConversationRoot::new(hash::derive(
            &context::CONVERSATION_ROOT,
            &[child.as_ref()],
        )))
    }

    /// The root of the self-conversation (`…/5'/0'`).
    ///
    /// # Errors
    /// [`KeyError::NoKeyHere`].
    pub fn self_root(&self) -> Result<SelfRoot, KeyError> {
        let child = self.child(Branch::SelfConversation, 0)?;
        Ok(SelfRoot::new(hash::derive(
            &context::SELF_ROOT,
            &[child.as_ref()],
        )))
    }

    /// The `index`-th seed of burn credits (`…/6'/index'`), the child key itself.
    ///
    /// # Errors
    /// [`KeyError::Index`], [`KeyError::NoKeyHere`].
    pub fn credit_seed(&self, index: u32) -> Result<CreditSeed, KeyError> {
        self.child(Branch::Credit, index)
            .map(|child| CreditSeed::new(*child))
    }

    fn child(&self, branch: Branch, index: u32) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let child = descend(&self.0, &[branch as u32, index])?;
        Ok(Zeroizing::new(child.to_bytes()))
    }
}

impl fmt::Debug for KeyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyTree(secret)")
    }
}

/// The signing key of one account.
pub struct AccountKey(Keypair);

impl AccountKey {
    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::from(&self.0)
    }

    /// The account that the key speaks for.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::from(&self.public())
    }

    /// For signatures that other rooms make in the account's name (inbox messages, certificates).
    /// `Keypair` is `Copy`: a copy must be erased by who makes it.
    #[must_use]
    pub fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl Drop for AccountKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey(secret, {:?})", self.account())
    }
}

/// The key below `from` along hardened `indexes`.
fn descend(from: &XPrv, indexes: &[u32]) -> Result<XPrv, KeyError> {
    let mut key = from.clone();
    for &index in indexes {
        let number = ChildNumber::new(index, true).map_err(|_| KeyError::Index { index })?;
        key = key.derive_child(number).map_err(|_| KeyError::NoKeyHere)?;
    }
    Ok(key)
}

/// NFKD, as BIP 39 wants words and passphrases; also used for keystore passwords, so that a
/// password typed on another system is the same password.
pub(crate) fn normalized(text: &str) -> Zeroizing<String> {
    let mut text = Cow::Borrowed(text);
    Mnemonic::normalize_utf8_cow(&mut text);
    Zeroizing::new(text.into_owned())
}

#[cfg(test)]
mod tests;
