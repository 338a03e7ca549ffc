//! The documents of a package: an index of several builds, the manifest of one, and the note about what is in
//! it. <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>

use super::interfaces::Interfaces;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// What can be read where a manifest is asked for.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
/// What tools called the layer before there was a layout.
const EARLIER_LAYERS: [&str; 3] = [
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
];
/// The signatures, as `FILE.sig` has them.
const SIGNATURES: &str = "application/vnd.wasm-host.signatures.v1+json";

const ARCHITECTURE: &str = "wasm";
const OS: &str = "wasip2";

/// One blob, as a manifest speaks of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

/// Either document: which one it is, its lists say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    media_type: String,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// What there is to fetch.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Layers {
    pub(super) component: Descriptor,
    pub(super) signatures: Option<Descriptor>,
}

/// What was asked for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// A package.
    Package(Layers),
    /// The one of several builds that is meant.
    Build(Digest),
}

/// Reads a manifest or an index.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &[u8]) -> Result<Found, String> {
    let document: Document =
        serde_json::from_slice(text).map_err(|error| format!("it is no manifest: {error}"))?;
    match (document.layers, document.manifests) {
        (Some(layers), None) => layers_of(layers).map(Found::Package),
        (None, Some(manifests)) if ["", INDEX, DOCKER_INDEX].contains(&document.media_type.as_str()) => {
            build_of(manifests).map(Found::Build)
        }
        (Some(_) | None, Some(_) | None) => {
            Err("it is no manifest: expected either `layers` or `manifests`".to_owned())
        }
    }
}

fn layers_of(layers: Vec<Descriptor>) -> Result<Layers, String> {
    let is_component = |layer: &&Descriptor| {
        layer.media_type == LAYER || EARLIER_LAYERS.contains(&layer.media_type.as_str())
    };
    let mut components = layers.iter().filter(is_component);
    let signatures = layers.iter().find(|layer| layer.media_type == SIGNATURES).cloned();
    match (components.next(), components.next()) {
        (Some(component), None) => Ok(Layers { component: component.clone(), signatures }),
        (Some(_), Some(_)) => {
            Err("it holds several components, and which one is meant nothing says: push each by itself"
                .to_owned())
        }
        (None, _) => {
            let types: Vec<&str> = layers.iter().map(|layer| layer.media_type.as_str()).take(5).collect();
            Err(format!("it holds no component (a layer of the type {LAYER}), but {types:?}"))
        }
    }
}

/// The one build that is for WebAssembly, of those that say what they are for.
fn build_of(manifests: Vec<Descriptor>) -> Result<Digest, String> {
    let is_wasm = |build: &&Descriptor| {
        build.platform.as_ref().is_none_or(|platform| platform.architecture == ARCHITECTURE)
    };
    let mut builds = manifests.iter().filter(is_wasm);
    match (builds.next(), builds.next()) {
        (Some(build), None) => Ok(build.digest),
        (Some(_), Some(_)) => {
            Err("it is an index of several builds for WebAssembly: name one by its digest".to_owned())
        }
        (None, _) => Err("it is an index without a build for WebAssembly".to_owned()),
    }
}

/// A manifest that is to be stored, and the note that goes with it.
pub(super) struct Written {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    layer_digests: Vec<Digest>,
    component: Component,
}

#[derive(Serialize)]
struct Component {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

/// The documents of a component; the same component makes the same ones.
pub(super) fn write(
    component: &[u8],
    interfaces: Interfaces,
    signatures: Option<&[u8]>,
    created: &str,
) -> Written {
    let mut layers = vec![Descriptor::of(LAYER, component)];
    layers.extend(signatures.map(|signatures| Descriptor::of(SIGNATURES, signatures)));
    let config = Config {
        created,
        architecture: ARCHITECTURE,
        os: OS,
        layer_digests: layers.iter().map(|layer| layer.digest).collect(),
        component: Component { exports: interfaces.exports, imports: interfaces.imports, target: None },
    };
    let config = serde_json::to_vec(&config).expect("a document of strings is JSON");
    let manifest =
        Manifest { schema_version: 2, media_type: MANIFEST, config: Descriptor::of(CONFIG, &config), layers };
    let manifest = serde_json::to_vec(&manifest).expect("a document of strings is JSON");
    Written { manifest, config }
}

impl Descriptor {
    fn of(media_type: &str, blob: &[u8]) -> Self {
        let media_type = media_type.to_owned();
        Self { media_type, digest: Digest::of(blob), size: blob.len() as u64, platform: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn layer(media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": Digest::of(b"x").to_string(), "size": 1 })
    }

    fn build(architecture: Option<&str>) -> Value {
        let mut build = layer(MANIFEST);
        if let Some(architecture) = architecture {
            build["platform"] = json!({ "architecture": architecture, "os": "any" });
        }
        build
    }

    fn read_json(document: &Value) -> Result<Found, String> {
        read(document.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let interfaces = Interfaces { imports: vec!["a:b/c".into()], exports: vec!["d:e/f".into()] };
        let written = write(b"component", interfaces, Some(b"signatures"), "2026-01-01T00:00:00Z");
        let Ok(Found::Package(layers)) = read(&written.manifest) else { panic!("no package") };
        assert_eq!(layers.component, Descriptor::of(LAYER, b"component"));
        assert_eq!(layers.signatures, Some(Descriptor::of(SIGNATURES, b"signatures")));
        let manifest: Value = serde_json::from_slice(&written.manifest).unwrap();
        assert_eq!(manifest["config"]["mediaType"], CONFIG);
        assert_eq!(manifest["config"]["digest"], Digest::of(&written.config).to_string());
        let config: Value = serde_json::from_slice(&written.config).unwrap();
        assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
        assert_eq!(config["layerDigests"][0], Digest::of(b"component").to_string());
        assert_eq!(config["component"]["exports"], json!(["d:e/f"]));
    }

    #[test]
    fn earlier_forms_are_read_and_other_layers_are_not_minded() {
        for media_type in EARLIER_LAYERS {
            let document = json!({ "layers": [layer("text/plain"), layer(media_type)] });
            assert!(matches!(read_json(&document), Ok(Found::Package(_))), "{media_type}");
        }
    }

    #[test]
    fn index_leads_to_its_one_build_for_wasm() {
        for (builds, found) in [
            (vec![build(Some("amd64")), build(Some("wasm"))], true),
            (vec![build(None)], true),
            (vec![build(Some("wasm")), build(Some("wasm"))], false),
            (vec![build(Some("amd64"))], false),
            (vec![], false),
        ] {
            let document = json!({ "mediaType": INDEX, "manifests": builds });
            assert_eq!(matches!(read_json(&document), Ok(Found::Build(_))), found, "{document}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (document, told) in [
            (json!({ "layers": [layer("application/vnd.oci.image.layer.v1.tar+gzip")] }), "tar+gzip"),
            (json!({ "layers": [layer(LAYER), layer(LAYER)] }), "several components"),
            (json!({ "layers": [], "manifests": [] }), "either"),
            (json!({}), "either"),
            (json!([]), "no manifest"),
            (
                json!({ "layers": [{ "mediaType": LAYER, "digest": "sha256:../..", "size": 1 }] }),
                "64 lower-case",
            ),
            (
                json!({ "layers": [{ "mediaType": LAYER, "digest": Digest::of(b""), "size": -1 }] }),
                "no manifest",
            ),
        ] {
            let error = read_json(&document).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
