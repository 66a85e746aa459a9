//! The messages of SavedModels, by their field numbers in
//! `tensorflow/core/protobuf/{saved_model,meta_graph,saver}.proto` and
//! `tensorflow/core/framework/{graph,function,op_def,attr_value}.proto`.
//!
//! Other fields are skipped.

use std::collections::BTreeMap;

use crate::proto::{AttrValue, NodeDef, TensorShapeProto};

/// The content of `saved_model.pb`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SavedModel {
    #[prost(message, repeated, tag = "2")]
    pub(super) meta_graphs: Vec<MetaGraphDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetaGraphDef {
    #[prost(message, optional, tag = "1")]
    pub(super) meta_info_def: Option<MetaInfoDef>,
    #[prost(message, optional, tag = "2")]
    pub(super) graph_def: Option<GraphDef>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(super) signature_def: BTreeMap<String, SignatureDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetaInfoDef {
    /// The definitions of the operations that the graph has.
    #[prost(message, optional, tag = "2")]
    pub(super) stripped_op_list: Option<OpList>,
    #[prost(string, repeated, tag = "4")]
    pub(super) tags: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OpList {
    #[prost(message, repeated, tag = "1")]
    pub(super) op: Vec<OpDef>,
}

/// A graph with its functions.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<NodeDef>,
    #[prost(message, optional, tag = "2")]
    pub(super) library: Option<FunctionDefLibrary>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FunctionDefLibrary {
    #[prost(message, repeated, tag = "1")]
    pub(super) function: Vec<FunctionDef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FunctionDef {
    #[prost(message, optional, tag = "1")]
    pub(super) signature: Option<OpDef>,
    #[prost(message, repeated, tag = "3")]
    pub(super) node_def: Vec<NodeDef>,
    /// The tensor of each result.
    #[prost(btree_map = "string, string", tag = "4")]
    pub(super) ret: BTreeMap<String, String>,
}

/// The definition of an operation, or the signature of a function.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OpDef {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) input_arg: Vec<ArgDef>,
    #[prost(message, repeated, tag = "3")]
    pub(super) output_arg: Vec<ArgDef>,
}

/// One argument, or a list of them.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ArgDef {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// The element type; 0 if an attribute has it.
    #[prost(int32, tag = "3")]
    pub(super) r#type: i32,
    /// The attribute with the element type.
    #[prost(string, tag = "4")]
    pub(super) type_attr: String,
    /// The attribute with the length of a list.
    #[prost(string, tag = "5")]
    pub(super) number_attr: String,
    /// The attribute with the types of a list.
    #[prost(string, tag = "6")]
    pub(super) type_list_attr: String,
}

/// The value of an attribute that names a function.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NameAttrList {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(super) attr: BTreeMap<String, AttrValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SignatureDef {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) inputs: BTreeMap<String, TensorInfo>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(super) outputs: BTreeMap<String, TensorInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorInfo {
    /// The tensor's name; empty for sparse and composite tensors.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "2")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "3")]
    pub(super) tensor_shape: Option<TensorShapeProto>,
}
