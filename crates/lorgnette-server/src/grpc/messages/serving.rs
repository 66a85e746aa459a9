//! `tensorflow.serving`: `PredictionService` and `ModelService`.

use std::collections::BTreeMap;

use bytes::Bytes;

/// `google.protobuf.Int64Value`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Int64Value {
    #[prost(int64, tag = "1")]
    pub(crate) value: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ModelSpec {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(oneof = "VersionChoice", tags = "2, 4")]
    pub(crate) version_choice: Option<VersionChoice>,
    #[prost(string, tag = "3")]
    pub(crate) signature_name: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum VersionChoice {
    #[prost(message, tag = "2")]
    Version(Int64Value),
    #[prost(string, tag = "4")]
    VersionLabel(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Dim {
    #[prost(int64, tag = "1")]
    pub(crate) size: i64,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorShapeProto {
    #[prost(message, repeated, tag = "2")]
    pub(crate) dim: Vec<Dim>,
    #[prost(bool, tag = "3")]
    pub(crate) unknown_rank: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorProto {
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) tensor_shape: Option<TensorShapeProto>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) tensor_content: Bytes,
    #[prost(float, repeated, tag = "5")]
    pub(crate) float_val: Vec<f32>,
    #[prost(int32, repeated, tag = "7")]
    pub(crate) int_val: Vec<i32>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    pub(crate) string_val: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PredictRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) inputs: BTreeMap<String, TensorProto>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) output_filter: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PredictResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) outputs: BTreeMap<String, TensorProto>,
    #[prost(message, optional, tag = "2")]
    pub(crate) model_spec: Option<ModelSpec>,
}

/// `tensorflow.Example`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Example {
    #[prost(message, optional, tag = "1")]
    pub(crate) features: Option<Features>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Features {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) feature: BTreeMap<String, Feature>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Feature {
    #[prost(oneof = "FeatureKind", tags = "1, 2, 3")]
    pub(crate) kind: Option<FeatureKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum FeatureKind {
    #[prost(message, tag = "1")]
    Bytes(BytesList),
    #[prost(message, tag = "2")]
    Floats(FloatList),
    #[prost(message, tag = "3")]
    Integers(Int64List),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BytesList {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) value: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FloatList {
    #[prost(float, repeated, tag = "1")]
    pub(crate) value: Vec<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Int64List {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) value: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ExampleList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) examples: Vec<Example>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ExampleListWithContext {
    #[prost(message, repeated, tag = "1")]
    pub(crate) examples: Vec<Example>,
    #[prost(message, optional, tag = "2")]
    pub(crate) context: Option<Example>,
}

/// `tensorflow.serving.Input`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Input {
    #[prost(oneof = "InputKind", tags = "1, 2")]
    pub(crate) kind: Option<InputKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum InputKind {
    #[prost(message, tag = "1")]
    ExampleList(ExampleList),
    #[prost(message, tag = "2")]
    ExampleListWithContext(ExampleListWithContext),
}

/// `ClassificationRequest` and `RegressionRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ExamplesRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
    #[prost(message, optional, tag = "2")]
    pub(crate) input: Option<Input>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Class {
    #[prost(string, tag = "1")]
    pub(crate) label: String,
    #[prost(float, tag = "2")]
    pub(crate) score: f32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Classifications {
    #[prost(message, repeated, tag = "1")]
    pub(crate) classes: Vec<Class>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClassificationResult {
    #[prost(message, repeated, tag = "1")]
    pub(crate) classifications: Vec<Classifications>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClassificationResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) result: Option<ClassificationResult>,
    #[prost(message, optional, tag = "2")]
    pub(crate) model_spec: Option<ModelSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Regression {
    #[prost(float, tag = "1")]
    pub(crate) value: f32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RegressionResult {
    #[prost(message, repeated, tag = "1")]
    pub(crate) regressions: Vec<Regression>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RegressionResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) result: Option<RegressionResult>,
    #[prost(message, optional, tag = "2")]
    pub(crate) model_spec: Option<ModelSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InferenceTask {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
    #[prost(string, tag = "2")]
    pub(crate) method_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MultiInferenceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) tasks: Vec<InferenceTask>,
    #[prost(message, optional, tag = "2")]
    pub(crate) input: Option<Input>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MultiInferenceResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) results: Vec<InferenceResult>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InferenceResult {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
    #[prost(oneof = "InferenceKind", tags = "2, 3")]
    pub(crate) result: Option<InferenceKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum InferenceKind {
    #[prost(message, tag = "2")]
    Classification(ClassificationResult),
    #[prost(message, tag = "3")]
    Regression(RegressionResult),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetModelMetadataRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) metadata_field: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetModelMetadataResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) metadata: BTreeMap<String, Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SignatureDefMap {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) signature_def: BTreeMap<String, SignatureDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SignatureDef {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) inputs: BTreeMap<String, TensorInfo>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) outputs: BTreeMap<String, TensorInfo>,
    #[prost(string, tag = "3")]
    pub(crate) method_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorInfo {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int32, tag = "2")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) tensor_shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetModelStatusRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_spec: Option<ModelSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetModelStatusResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) model_version_status: Vec<ModelVersionStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ModelVersionStatus {
    #[prost(int64, tag = "1")]
    pub(crate) version: i64,
    #[prost(int32, tag = "2")]
    pub(crate) state: i32,
    #[prost(message, optional, tag = "3")]
    pub(crate) status: Option<StatusProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusProto {
    #[prost(int32, tag = "1")]
    pub(crate) error_code: i32,
    #[prost(string, tag = "2")]
    pub(crate) error_message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReloadConfigRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) config: Option<ModelServerConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReloadConfigResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) status: Option<StatusProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ModelServerConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) model_config_list: Option<ModelConfigList>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ModelConfigList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) config: Vec<ModelConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ModelConfig {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) base_path: String,
    #[prost(string, tag = "4")]
    pub(crate) model_platform: String,
    #[prost(message, optional, tag = "7")]
    pub(crate) model_version_policy: Option<VersionPolicy>,
    #[prost(btree_map = "string, int64", tag = "8")]
    pub(crate) version_labels: BTreeMap<String, i64>,
}

/// `ServableVersionPolicy`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VersionPolicy {
    #[prost(oneof = "PolicyChoice", tags = "100, 101, 102")]
    pub(crate) policy_choice: Option<PolicyChoice>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum PolicyChoice {
    #[prost(message, tag = "100")]
    Latest(LatestPolicy),
    #[prost(message, tag = "101")]
    All(AllPolicy),
    #[prost(message, tag = "102")]
    Specific(SpecificPolicy),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LatestPolicy {
    #[prost(uint32, tag = "1")]
    pub(crate) num_versions: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AllPolicy {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SpecificPolicy {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) versions: Vec<i64>,
}
