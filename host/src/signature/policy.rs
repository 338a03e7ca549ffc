//! Whose signature a component needs before anything looks into it.

use super::{KeyId, PublicKey, SignatureError, Signatures};
use crate::digest::Digest;
use std::path::Path;

/// The keys one of which has to have signed a component; without any, none has to.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    keys: Vec<PublicKey>,
}

impl Policy {
    /// Accepts what one of the keys in these files has signed.
    ///
    /// # Errors
    /// Names the file that holds no key.
    pub fn open<P: AsRef<Path>>(public_keys: &[P]) -> Result<Self, SignatureError> {
        let keys = public_keys.iter().map(|path| PublicKey::open(path.as_ref()));
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// Whether a signature is needed at all.
    pub fn requires_signature(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Checks that a component may be used: that one of the keys has signed exactly these bytes. Tells which;
    /// none where no signature is needed. Whoever uses the component uses these bytes, and does not read them
    /// from somewhere again.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(
        &self,
        component: &[u8],
        signatures: Option<&[u8]>,
    ) -> Result<Option<KeyId>, SignatureError> {
        if !self.requires_signature() {
            return Ok(None);
        }
        let signatures = Signatures::parse(signatures.ok_or(SignatureError::Missing)?)?;
        self.verify(Digest::of(component), &signatures).map(Some)
    }

    fn verify(&self, component: Digest, signatures: &Signatures) -> Result<KeyId, SignatureError> {
        if signatures.component() != component {
            let signed = signatures.component();
            return Err(SignatureError::OtherComponent { signed, found: component });
        }
        let mut forged = None;
        for signature in signatures.by() {
            let mut known = self.keys.iter().filter(|key| key.id() == signature.key).peekable();
            if known.peek().is_none() {
                continue;
            }
            if known.any(|key| key.verifies(component, &signature.bytes)) {
                return Ok(signature.key.clone());
            }
            forged = Some(signature.key.clone());
        }
        Err(match forged {
            Some(key) => SignatureError::False(key),
            None => SignatureError::UnknownKey {
                signed_by: signatures.by().iter().map(|signature| signature.key.clone()).collect(),
                accepted: self.keys.iter().map(PublicKey::id).collect(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::SecretKey;
    use super::*;

    fn key() -> SecretKey {
        let directory = tempfile::tempdir().unwrap();
        SecretKey::generate(&directory.path().join("k"), &directory.path().join("p")).unwrap()
    }

    fn accepting(keys: &[&SecretKey]) -> Policy {
        Policy { keys: keys.iter().map(|key| key.public()).collect() }
    }

    fn signed(component: &[u8], keys: &[&SecretKey]) -> String {
        let mut signatures = Signatures::none(Digest::of(component));
        for key in keys {
            signatures.sign(key).unwrap();
        }
        signatures.to_text()
    }

    fn check(policy: &Policy, component: &[u8], text: &str) -> Result<Option<KeyId>, SignatureError> {
        policy.check(component, Some(text.as_bytes()))
    }

    #[test]
    fn one_accepted_key_is_enough() {
        let (old, new, other) = (key(), key(), key());
        let policy = accepting(&[&old, &new]);
        for by in [&[&old][..], &[&new], &[&other, &new], &[&new, &old]] {
            let id = check(&policy, b"component", &signed(b"component", by)).unwrap().unwrap();
            assert!(by.iter().any(|key| key.public().id() == id));
        }
    }

    #[test]
    fn without_keys_nothing_is_asked_for() {
        assert_eq!(Policy::default().check(b"component", None).unwrap(), None);
        assert_eq!(Policy::default().check(b"component", Some(b"{")).unwrap(), None);
    }

    #[test]
    fn each_way_to_lack_a_signature_is_told_apart() {
        let (good, other) = (key(), key());
        let policy = accepting(&[&good]);
        assert!(matches!(policy.check(b"a", None), Err(SignatureError::Missing)));
        assert!(matches!(check(&policy, b"a", "{}"), Err(SignatureError::Malformed(_))));
        let of_b = signed(b"b", &[&good]);
        assert!(matches!(check(&policy, b"a", &of_b), Err(SignatureError::OtherComponent { .. })));
        // A digest that is put right does not make the signature true.
        let moved = of_b.replace(&Digest::of(b"b").hex(), &Digest::of(b"a").hex());
        assert!(matches!(check(&policy, b"a", &moved), Err(SignatureError::False(_))));
        let by_other = signed(b"a", &[&other]);
        assert!(matches!(check(&policy, b"a", &by_other), Err(SignatureError::UnknownKey { .. })));
        let claimed = by_other.replace(&other.public().id().to_string(), &good.public().id().to_string());
        assert!(matches!(check(&policy, b"a", &claimed), Err(SignatureError::False(_))));
        let nobody = Signatures::none(Digest::of(b"a")).to_text();
        assert!(matches!(check(&policy, b"a", &nobody), Err(SignatureError::UnknownKey { .. })));
    }

    /// The bare digest, signed with the same key for another purpose, is no signature of a component.
    #[test]
    fn signature_of_the_bare_digest_is_false() {
        use base64::Engine as _;
        let good = key();
        let component = Digest::of(b"a");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k");
        let signer = SecretKey::generate(&path, &directory.path().join("p")).unwrap();
        let text = std::fs::read(&path).unwrap();
        let der =
            <rustls_pki_types::PrivatePkcs8KeyDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(
                &text,
            )
            .unwrap();
        let pair =
            ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).unwrap();
        let bare = base64::prelude::BASE64_STANDARD.encode(pair.sign(component.to_string().as_bytes()));
        let text = signed(b"a", &[&signer]);
        let before = text.split("\"signature\": \"").nth(1).unwrap().split('"').next().unwrap();
        let policy = accepting(&[&good, &signer]);
        assert!(check(&policy, b"a", &text).is_ok());
        assert!(matches!(check(&policy, b"a", &text.replace(before, &bare)), Err(SignatureError::False(_))));
    }
}
