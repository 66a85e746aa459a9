//! Puts the bodies of functions in place of their calls.
//!
//! A call becomes one identity for each result; the nodes of the body get the call's name as their
//! scope, as TensorFlow's own inlining gives it. `If` becomes Switch and Merge, so that a condition
//! that is constant selects its branch when the graph is imported. `While` becomes a loop of
//! TensorFlow 1, of Enter, Merge, Switch, NextIteration and Exit.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message as _;

use super::proto::{ArgDef, FunctionDef, GraphDef, NameAttrList, OpDef};
use crate::memory::Meter;
use crate::proto::{AttrValue, NodeDef, Value};

/// Bytes of a node with its attributes.
const NODE_BYTES: u64 = 2 << 10;

/// The maximum depth of calls within calls.
const MAX_DEPTH: usize = 32;

/// Returns the nodes of a graph without functions. Nodes take at most 1 MiB and 16 times
/// `file_bytes`, contents of constants not counted.
///
/// # Errors
/// A sentence that says what is wrong: a function that is missing or calls itself, a name that is
/// not there, too many nodes for a file of this size.
pub(super) fn inline(
    graph: &GraphDef,
    operations: &[OpDef],
    file_bytes: usize,
) -> Result<Vec<NodeDef>, String> {
    let library = graph.library.iter().flat_map(|library| &library.function);
    let named =
        library.filter_map(|function| Some((function.signature.as_ref()?.name.as_str(), function)));
    let mut inliner = Inliner {
        functions: named.collect(),
        operations: operations.iter().map(|op| (op.name.as_str(), op)).collect(),
        nodes: Vec::new(),
        budget: file_bytes.saturating_mul(16).saturating_add(1 << 20),
        memory: Meter::new("the nodes of its functions"),
    };
    let no_attributes = BTreeMap::new();
    let scope = Scope {
        prefix: String::new(),
        arguments: None,
        pivot: None,
        attributes: &no_attributes,
        body: by_name(&graph.node),
    };
    inliner.body(&graph.node, &scope, 0)?;
    Ok(inliner.nodes)
}

/// Returns true if a node of the graph calls a function.
pub(super) fn has_calls(graph: &GraphDef) -> bool {
    let library = graph.library.iter().flat_map(|library| &library.function);
    let names: HashSet<&str> =
        library.filter_map(|function| Some(function.signature.as_ref()?.name.as_str())).collect();
    let calls = |op: &str| CALLS.contains(&op) || names.contains(op);
    graph.node.iter().any(|node| calls(&node.op))
}

/// Returns the name of result `index` of the call `name`.
pub(super) fn result_name(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}/_result_{index}") }
}

/// Operations that call functions by an attribute.
const CALLS: [&str; 6] =
    ["PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile"];

struct Inliner<'a> {
    functions: HashMap<&'a str, &'a FunctionDef>,
    operations: HashMap<&'a str, &'a OpDef>,
    nodes: Vec<NodeDef>,
    /// Bytes that nodes may still take, encoded.
    budget: usize,
    memory: Meter,
}

/// The nodes of the graph, or of one call of a function.
struct Scope<'a> {
    /// Beginning of the names of the body.
    prefix: String,
    /// The tensors that a function is called with, by argument; `None` for the graph itself.
    arguments: Option<HashMap<&'a str, Vec<String>>>,
    /// The node that is dead if the branch that this is in is not taken.
    pivot: Option<&'a str>,
    /// The values of attributes that the body refers to.
    attributes: &'a BTreeMap<String, AttrValue>,
    body: HashMap<&'a str, &'a NodeDef>,
}

/// A function and the attributes it is called with.
struct Callee {
    name: String,
    attributes: BTreeMap<String, AttrValue>,
}

/// The tensors that a function is called with, and the node that is dead if it is not called.
struct Arguments<'a> {
    tensors: Vec<String>,
    pivot: Option<&'a str>,
}

/// TensorFlow's number of the type of truth values.
const BOOL: i32 = 10;

/// The functions of an `If`, and the types of what they are called with.
struct Branches {
    else_branch: Callee,
    then_branch: Callee,
    types: Vec<i32>,
}

enum Call {
    Function(Callee),
    If { then_branch: Callee, else_branch: Callee },
    While(Loop),
}

/// The functions of a `While`, and the types of its variables.
struct Loop {
    condition: Callee,
    body: Callee,
    types: Vec<i32>,
}

fn by_name(nodes: &[NodeDef]) -> HashMap<&str, &NodeDef> {
    nodes.iter().map(|node| (node.name.as_str(), node)).collect()
}

impl<'a> Inliner<'a> {
    fn body(
        &mut self,
        nodes: &'a [NodeDef],
        scope: &Scope<'_>,
        depth: usize,
    ) -> Result<(), String> {
        for node in nodes {
            let name = format!("{}{}", scope.prefix, node.name);
            let mut inputs: Vec<String> = node
                .input
                .iter()
                .map(|input| self.reference(input, scope))
                .collect::<Result<_, _>>()
                .map_err(|what| format!("node '{name}': {what}"))?;
            // A node that reads nothing of the branch is dead with it.
            if let Some(pivot) = scope.pivot.filter(|_| data_inputs(&inputs).is_empty()) {
                inputs.push(format!("^{pivot}"));
            }
            match self.call_of(node)? {
                None => {
                    let attr = substituted(&node.attr, scope.attributes);
                    let (op, device) = (node.op.clone(), String::new());
                    self.add(NodeDef { name, op, input: inputs, device, attr })?;
                }
                Some(Call::Function(callee)) => {
                    let arguments = Arguments { tensors: data_inputs(&inputs), pivot: scope.pivot };
                    let results = self.call(&name, &callee, arguments, depth)?;
                    self.add_results(&name, results)?;
                }
                Some(Call::If { then_branch, else_branch }) => {
                    let types = types(node, "Tin");
                    let branches = Branches { else_branch, then_branch, types };
                    self.branches(&name, &branches, &inputs, depth)?;
                }
                Some(Call::While(turns)) => {
                    self.turns(&name, &turns, &data_inputs(&inputs), depth)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, node: NodeDef) -> Result<(), String> {
        let content = match node.attr.get("value").and_then(|value| value.value.as_ref()) {
            Some(Value::Tensor(tensor)) => tensor.tensor_content.len(),
            _ => 0,
        };
        self.budget = self
            .budget
            .checked_sub(node.encoded_len() - content)
            .ok_or("its functions call one another too often for a file of this size")?;
        self.memory.add(NODE_BYTES).map_err(|error| error.to_string())?;
        self.nodes.push(node);
        Ok(())
    }

    fn add_op(&mut self, name: String, op: &str, input: Vec<String>, t: i32) -> Result<(), String> {
        let attr = match op {
            "NoOp" => BTreeMap::new(),
            _ => BTreeMap::from([("T".to_owned(), AttrValue { value: Some(Value::Type(t)) })]),
        };
        self.add(NodeDef { name, op: op.into(), input, device: String::new(), attr })
    }

    fn is_call(&self, op: &str) -> bool {
        CALLS.contains(&op) || self.functions.contains_key(op)
    }

    /// Returns the function that a node calls; `None` if it is an operation.
    fn call_of(&self, node: &NodeDef) -> Result<Option<Call>, String> {
        match node.op.as_str() {
            "PartitionedCall" | "StatefulPartitionedCall" => {
                Ok(Some(Call::Function(callee(node, "f")?)))
            }
            "If" | "StatelessIf" => Ok(Some(Call::If {
                then_branch: callee(node, "then_branch")?,
                else_branch: callee(node, "else_branch")?,
            })),
            "While" | "StatelessWhile" => Ok(Some(Call::While(Loop {
                condition: callee(node, "cond")?,
                body: callee(node, "body")?,
                types: types(node, "T"),
            }))),
            op if self.functions.contains_key(op) => {
                let attributes = node.attr.clone();
                Ok(Some(Call::Function(Callee { name: op.to_owned(), attributes })))
            }
            _ => Ok(None),
        }
    }

    /// Adds the body of a function and returns the tensor and the type of each result.
    fn call(
        &mut self,
        name: &str,
        callee: &Callee,
        given: Arguments<'_>,
        depth: usize,
    ) -> Result<Vec<(String, i32)>, String> {
        let refused = |what: &str| format!("node '{name}': the function '{}' {what}", callee.name);
        if depth >= MAX_DEPTH {
            return Err(refused("calls itself, or calls are too deep"));
        }
        let function =
            *self.functions.get(callee.name.as_str()).ok_or_else(|| refused("is missing"))?;
        let signature = function.signature.as_ref().ok_or_else(|| refused("has no signature"))?;
        let mut arguments = HashMap::new();
        let mut left = given.tensors.into_iter();
        for arg in &signature.input_arg {
            let count = list_length(arg, &callee.attributes);
            let tensors: Vec<String> = left.by_ref().take(count).collect();
            if tensors.len() < count {
                return Err(refused("is called with too few tensors"));
            }
            arguments.insert(arg.name.as_str(), tensors);
        }
        let scope = Scope {
            prefix: format!("{name}/"),
            arguments: Some(arguments),
            pivot: given.pivot,
            attributes: &callee.attributes,
            body: by_name(&function.node_def),
        };
        self.body(&function.node_def, &scope, depth + 1)?;
        let mut results = Vec::with_capacity(signature.output_arg.len());
        for arg in &signature.output_arg {
            let tensor = function.ret.get(&arg.name).ok_or_else(|| refused("lacks a result"))?;
            let tensor = self.reference(tensor, &scope).map_err(|what| refused(&what))?;
            results.push((tensor, element_type(arg, &callee.attributes)));
        }
        Ok(results)
    }

    /// Adds the identities that stand for a call's results.
    fn add_results(&mut self, name: &str, results: Vec<(String, i32)>) -> Result<(), String> {
        if results.is_empty() {
            return self.add_op(name.to_owned(), "NoOp", Vec::new(), 0);
        }
        for (index, (tensor, dtype)) in results.into_iter().enumerate() {
            self.add_op(result_name(name, index), "Identity", vec![tensor], dtype)?;
        }
        Ok(())
    }

    /// Adds both branches of an `If`, whose first input is the condition. Inputs and results of a
    /// branch go through a Switch, so that all of the branch is dead if it is not taken.
    fn branches(
        &mut self,
        name: &str,
        branches: &Branches,
        inputs: &[String],
        depth: usize,
    ) -> Result<(), String> {
        let data = data_inputs(inputs);
        let (condition, data) =
            data.split_first().ok_or_else(|| format!("node '{name}': it has no condition"))?;
        let mut results = Vec::new();
        let callees = [&branches.else_branch, &branches.then_branch];
        for (port, callee) in callees.into_iter().enumerate() {
            let branch = format!("{name}/{}", ["else", "then"][port]);
            let pivot = format!("{branch}/_pivot");
            let both = vec![condition.clone(); 2];
            self.add_op(format!("{pivot}/_switch"), "Switch", both, BOOL)?;
            self.add_op(pivot.clone(), "Identity", vec![format!("{pivot}/_switch:{port}")], BOOL)?;
            let mut arguments = Vec::with_capacity(data.len());
            for (index, tensor) in data.iter().enumerate() {
                let switch = format!("{branch}/_argument_{index}");
                let input = vec![tensor.clone(), condition.clone()];
                let dtype = branches.types.get(index).copied().unwrap_or(0);
                self.add_op(switch.clone(), "Switch", input, dtype)?;
                arguments.push(format!("{switch}:{port}"));
            }
            let arguments = Arguments { tensors: arguments, pivot: Some(&pivot) };
            let results_of_branch = self.call(&branch, callee, arguments, depth)?;
            let mut switched = Vec::new();
            for (index, (tensor, dtype)) in results_of_branch.into_iter().enumerate() {
                let switch = format!("{branch}/_selected_{index}");
                let input = vec![tensor, condition.clone()];
                self.add_op(switch.clone(), "Switch", input, dtype)?;
                switched.push((format!("{switch}:{port}"), dtype));
            }
            results.push(switched);
        }
        let taken = results.pop().unwrap_or_default();
        let other = results.pop().unwrap_or_default();
        if taken.len() != other.len() {
            return Err(format!("node '{name}': its branches have different results"));
        }
        if taken.is_empty() {
            return self.add_op(name.to_owned(), "NoOp", Vec::new(), 0);
        }
        for (index, ((no, _), (yes, dtype))) in other.into_iter().zip(taken).enumerate() {
            self.add_op(result_name(name, index), "Merge", vec![no, yes], dtype)?;
        }
        Ok(())
    }

    /// Adds a loop, whose variables begin as `inputs`.
    fn turns(
        &mut self,
        name: &str,
        turns: &Loop,
        inputs: &[String],
        depth: usize,
    ) -> Result<(), String> {
        let dtype = |index: usize| turns.types.get(index).copied().unwrap_or(0);
        let part = |what: &str, index: usize| format!("{name}/_{what}_{index}");
        let count = inputs.len();
        for (index, input) in inputs.iter().enumerate() {
            self.add_op(part("enter", index), "Enter", vec![input.clone()], dtype(index))?;
            let both = vec![part("enter", index), part("next", index)];
            self.add_op(part("merge", index), "Merge", both, dtype(index))?;
        }
        let of = |what: &str, port: &str| {
            let tensors = (0..count).map(|index| format!("{}{port}", part(what, index))).collect();
            Arguments { tensors, pivot: None }
        };
        let condition =
            self.call(&format!("{name}/cond"), &turns.condition, of("merge", ""), depth)?;
        let condition = condition.into_iter().next().map(|(tensor, _)| tensor);
        let condition = condition.ok_or_else(|| format!("node '{name}': it has no condition"))?;
        let goes_on = format!("{name}/_loop_cond");
        self.add_op(goes_on.clone(), "LoopCond", vec![condition], BOOL)?;
        for index in 0..count {
            let both = vec![part("merge", index), goes_on.clone()];
            self.add_op(part("switch", index), "Switch", both, dtype(index))?;
        }
        let results = self.call(&format!("{name}/body"), &turns.body, of("switch", ":1"), depth)?;
        if results.len() != count {
            return Err(format!("node '{name}': its body gives other variables than it takes"));
        }
        for (index, (result, _)) in results.into_iter().enumerate() {
            self.add_op(part("next", index), "NextIteration", vec![result], dtype(index))?;
            let last = vec![part("switch", index)];
            self.add_op(result_name(name, index), "Exit", last, dtype(index))?;
        }
        Ok(())
    }

    /// Returns the name of a tensor that a node of `scope` reads, in the graph without functions.
    fn reference(&self, input: &str, scope: &Scope<'_>) -> Result<String, String> {
        let prefix = &scope.prefix;
        if let Some(node) = input.strip_prefix('^') {
            return Ok(format!("^{prefix}{node}"));
        }
        let mut parts = input.split(':');
        let node = parts.next().unwrap_or_default();
        let (second, third) = (parts.next(), parts.next());
        let number = |text: Option<&str>| match text {
            None => Ok(0),
            Some(text) => {
                text.parse::<usize>().map_err(|_| format!("its input '{input}' is no tensor"))
            }
        };
        let argument = scope.arguments.as_ref().and_then(|arguments| arguments.get(node));
        if let Some(tensors) = argument {
            let index = number(second)?;
            return tensors
                .get(index)
                .cloned()
                .ok_or_else(|| format!("its input '{input}' is no argument"));
        }
        let def = scope.body.get(node);
        let port = match (&scope.arguments, second, third) {
            (Some(_), Some(result), index) => match def {
                Some(def) => self.port(def, result, number(index)?)?,
                None => return Err(format!("its input '{input}' is not in the function")),
            },
            (_, second, _) => number(second)?,
        };
        let full_name = format!("{prefix}{node}");
        let is_call = def.is_some_and(|def| self.is_call(&def.op));
        Ok(match (is_call, port) {
            (true, _) => result_name(&full_name, port),
            (false, 0) => full_name,
            (false, _) => format!("{full_name}:{port}"),
        })
    }

    /// Returns the number of the output that the body of a function calls `result:index`.
    fn port(&self, node: &NodeDef, result: &str, index: usize) -> Result<usize, String> {
        if let Some(definition) = self.operations.get(node.op.as_str()) {
            let mut first = 0;
            for arg in &definition.output_arg {
                if arg.name == result {
                    return Ok(first + index);
                }
                first += list_length(arg, &node.attr);
            }
        }
        if let Some(function) = self.functions.get(node.op.as_str()) {
            let mut results = function.signature.iter().flat_map(|signature| &signature.output_arg);
            return results
                .position(|arg| arg.name == result)
                .ok_or_else(|| format!("'{}' has no result '{result}'", node.op));
        }
        let known = known_results(&node.op);
        Ok(known.iter().position(|name| *name == result).unwrap_or(0) + index)
    }
}

/// The names of an operation's results, for those that have several and are not defined in the
/// file.
fn known_results(op: &str) -> &'static [&'static str] {
    match op {
        "FusedBatchNorm" | "FusedBatchNormV2" | "FusedBatchNormV3" => {
            &["y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"]
        }
        "TopK" | "TopKV2" => &["values", "indices"],
        "Switch" => &["output_false", "output_true"],
        "Merge" => &["output", "value_index"],
        _ => &[],
    }
}

fn callee(node: &NodeDef, attribute: &str) -> Result<Callee, String> {
    let function = match node.attr.get(attribute).and_then(|value| value.value.as_ref()) {
        Some(Value::Func(bytes)) => NameAttrList::decode(bytes.clone()).ok(),
        _ => None,
    };
    let NameAttrList { name, attr } =
        function.ok_or_else(|| format!("node '{}' names no function", node.name))?;
    Ok(Callee { name, attributes: attr })
}

/// Returns the types of what an `If` hands to its branches, or of a loop's variables.
fn types(node: &NodeDef, attribute: &str) -> Vec<i32> {
    match node.attr.get(attribute).and_then(|value| value.value.as_ref()) {
        Some(Value::List(list)) => list.r#type.clone(),
        _ => Vec::new(),
    }
}

fn data_inputs(inputs: &[String]) -> Vec<String> {
    inputs.iter().filter(|input| !input.starts_with('^')).cloned().collect()
}

/// Returns attributes, those that refer to the caller's replaced by their values. Names that begin
/// with an underscore are notes of TensorFlow's tools and are left out.
fn substituted(
    attributes: &BTreeMap<String, AttrValue>,
    values: &BTreeMap<String, AttrValue>,
) -> BTreeMap<String, AttrValue> {
    let meaningful = attributes.iter().filter(|(name, _)| !name.starts_with('_'));
    let value = |(name, value): (&String, &AttrValue)| {
        let given = match &value.value {
            Some(Value::Placeholder(placeholder)) => values.get(placeholder),
            _ => None,
        };
        (name.clone(), given.unwrap_or(value).clone())
    };
    meaningful.map(value).collect()
}

/// Returns the number of tensors of an argument.
fn list_length(arg: &ArgDef, attributes: &BTreeMap<String, AttrValue>) -> usize {
    /// More arguments than any node has inputs.
    const MAX_LENGTH: usize = 1 << 16;
    let value = |name: &str| attributes.get(name).and_then(|value| value.value.as_ref());
    let length = if !arg.number_attr.is_empty() {
        match value(&arg.number_attr) {
            Some(&Value::I(count)) => usize::try_from(count).unwrap_or(0),
            _ => 1,
        }
    } else if !arg.type_list_attr.is_empty() {
        match value(&arg.type_list_attr) {
            Some(Value::List(list)) => list.r#type.len(),
            _ => 1,
        }
    } else {
        1
    };
    length.min(MAX_LENGTH)
}

fn element_type(arg: &ArgDef, attributes: &BTreeMap<String, AttrValue>) -> i32 {
    match attributes.get(&arg.type_attr).and_then(|value| value.value.as_ref()) {
        Some(&Value::Type(number)) if arg.r#type == 0 => number,
        _ => arg.r#type,
    }
}
