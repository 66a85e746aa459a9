//! Loops that map a function over the pictures of a batch (`tf.map_fn`): their body in place of the
//! loop, for a batch of one picture.
//!
//! Programs that serve models decode, crop and resize each picture of a batch in such a loop. Its
//! list of pictures becomes the batch, its list of results the batch of what the body makes. Other
//! loops stay as they are, and are refused when a value depends on them.

use std::collections::{HashMap, HashSet};

use super::constant::{self, Expansion};
use super::split_port;
use crate::proto::{AttrValue, ListValue, NodeDef, Value};

/// Puts the bodies of loops in their places, if every loop of the graph is a map.
pub(super) fn without_maps(nodes: Vec<NodeDef>) -> Vec<NodeDef> {
    if !nodes.iter().any(|node| node.op == "LoopCond") {
        return nodes;
    }
    let Some(steps) = Loops::new(&nodes).steps() else { return nodes };
    let read_before = read_by_value(&nodes);
    let mut nodes = nodes;
    let mut switches = HashSet::new();
    let mut removed = HashSet::new();
    for (index, step) in steps {
        let node = &mut nodes[index];
        if node.op == "Switch" {
            switches.insert(format!("{}:1", node.name));
        }
        match step {
            Step::Removed => drop(removed.insert(index)),
            step => step.apply(node),
        }
    }
    let mut position = 0..;
    nodes.retain(|_| position.next().is_none_or(|index| !removed.contains(&index)));
    // The value of a Switch in the body of its loop is an identity's now.
    for input in nodes.iter_mut().flat_map(|node| &mut node.input) {
        if switches.contains(input.as_str()) {
            input.truncate(input.len() - ":1".len());
        }
    }
    without_unread(nodes, &read_before)
}

/// The value of a loop's variable after one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The same as before.
    Invariant,
    /// One more.
    Counter,
    /// A list with one more element.
    List,
}

/// A variable of a loop.
#[derive(Clone, Copy, Debug)]
struct Variable {
    /// Its NextIteration.
    next: usize,
    kind: Kind,
}

/// The copy of a node.
enum Step {
    /// An identity of this tensor.
    Same(String),
    /// The only element of this list.
    Element(String),
    /// A list of this tensor alone.
    ListOf(String),
    /// Nothing: only the loop needed it.
    Removed,
}

impl Step {
    fn apply(self, node: &mut NodeDef) {
        let types = ["T", "dtype", "element_dtype"];
        let dtype = types.into_iter().find_map(|name| node.attr.get(name).cloned());
        node.attr.retain(|name, _| name == "_output_shapes");
        node.attr.extend(dtype.map(|dtype| ("T".to_owned(), dtype)));
        let (op, input) = match self {
            Self::Same(tensor) => ("Identity", vec![tensor]),
            Self::Element(list) => {
                let first = ListValue { i: vec![0], ..ListValue::default() };
                let axes = AttrValue { value: Some(Value::List(first)) };
                node.attr.insert("squeeze_dims".into(), axes);
                ("Squeeze", vec![list])
            }
            Self::ListOf(element) => {
                let integer = |number| AttrValue { value: Some(Value::I(number)) };
                let counts = [("N".to_owned(), integer(1)), ("axis".to_owned(), integer(0))];
                node.attr.extend(counts);
                ("Pack", vec![element])
            }
            Self::Removed => return,
        };
        node.op = op.to_owned();
        node.input = input;
    }
}

/// The nodes of a graph, and the variables of its loops.
struct Loops<'a> {
    nodes: &'a [NodeDef],
    by_name: HashMap<&'a str, usize>,
    /// Variables by the node of their Merge.
    variables: HashMap<usize, Variable>,
}

impl<'a> Loops<'a> {
    fn new(nodes: &'a [NodeDef]) -> Self {
        let by_name =
            nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
        Self { nodes, by_name, variables: HashMap::new() }
    }

    /// Returns what becomes of each node that makes a loop; `None` if some loop is no map.
    fn steps(mut self) -> Option<Vec<(usize, Step)>> {
        for merge in self.of_ops(&["Merge"]) {
            if let Some(next) = self.next_iteration(merge) {
                let kind = Kind::Invariant;
                self.variables.insert(merge, Variable { next, kind });
            }
        }
        let changed: Vec<usize> =
            self.variables.keys().copied().filter(|&merge| !self.is_invariant(merge)).collect();
        let (counters, lists): (Vec<usize>, Vec<usize>) =
            changed.into_iter().partition(|&merge| self.is_counter(merge));
        self.set_kind(&lists, Kind::List);
        self.set_kind(&counters, Kind::Counter);
        if !lists.iter().all(|&merge| self.is_list(merge)) {
            return None;
        }
        let reads: Vec<usize> = self.of_ops(&["TensorArrayReadV3", "TensorListGetItem"]);
        let takes_elements = !reads.is_empty() && reads.iter().all(|&read| self.is_element(read));
        let is_map = takes_elements && !lists.is_empty() && !counters.is_empty();
        is_map.then(|| self.all_steps()).flatten()
    }

    fn set_kind(&mut self, merges: &[usize], kind: Kind) {
        for merge in merges {
            if let Some(variable) = self.variables.get_mut(merge) {
                variable.kind = kind;
            }
        }
    }

    fn of_ops(&self, ops: &[&str]) -> Vec<usize> {
        let is_wanted = |&index: &usize| ops.contains(&self.nodes[index].op.as_str());
        (0..self.nodes.len()).filter(is_wanted).collect()
    }

    /// Returns the node and the output of a tensor.
    fn node_of(&self, tensor: &str) -> Option<(usize, usize)> {
        let (name, port) = split_port(tensor);
        Some((*self.by_name.get(name)?, port))
    }

    /// Returns input `i` of a node, if it is a tensor.
    fn input(&self, node: usize, i: usize) -> Option<&'a str> {
        let input = self.nodes[node].input.get(i)?;
        (!input.starts_with('^')).then_some(input)
    }

    /// Returns the NextIteration that a loop's Merge reads.
    fn next_iteration(&self, merge: usize) -> Option<usize> {
        let inputs = (0..2).filter_map(|i| self.node_of(self.input(merge, i)?));
        inputs.map(|(node, _)| node).find(|&node| self.nodes[node].op == "NextIteration")
    }

    /// Returns the tensor that a loop's variable begins with: the input of its Enter.
    fn start(&self, merge: usize) -> Option<&'a str> {
        let inputs = (0..2).filter_map(|i| self.node_of(self.input(merge, i)?));
        let enter = inputs.map(|(node, _)| node).find(|&node| self.nodes[node].op == "Enter")?;
        self.input(enter, 0)
    }

    /// Returns the tensor that a variable has after one turn.
    fn after(&self, merge: usize) -> Option<&'a str> {
        self.input(self.variables.get(&merge)?.next, 0)
    }

    /// Follows a tensor through identities, and from the body of a loop to its variables.
    fn origin(&self, tensor: &'a str) -> Option<(usize, usize)> {
        const MAX_STEPS: usize = 256;
        let mut tensor = tensor;
        for _ in 0..MAX_STEPS {
            let (node, port) = self.node_of(tensor)?;
            let is_body = self.nodes[node].op == "Switch" && port == 1;
            match self.nodes[node].op.as_str() {
                "Identity" => tensor = self.input(node, 0)?,
                "Switch" if is_body && self.of_loop(node) => tensor = self.input(node, 0)?,
                _ => return Some((node, port)),
            }
        }
        None
    }

    /// Follows a tensor as [`origin`](Self::origin) does, and out of loops that do not change it.
    fn source(&self, tensor: &'a str) -> Option<(usize, usize)> {
        const MAX_STEPS: usize = 256;
        let mut tensor = tensor;
        for _ in 0..MAX_STEPS {
            let (node, port) = self.origin(tensor)?;
            let variable = self.variables.get(&node);
            tensor = match (self.nodes[node].op.as_str(), variable) {
                ("Enter", _) => self.input(node, 0)?,
                ("Merge", Some(variable)) if variable.kind == Kind::Invariant => {
                    self.start(node)?
                }
                _ => return Some((node, port)),
            };
        }
        None
    }

    /// True for the Switch of a loop's variable.
    fn of_loop(&self, switch: usize) -> bool {
        let condition = self.input(switch, 1).and_then(|tensor| self.node_of(tensor));
        condition.is_some_and(|(node, _)| self.nodes[node].op == "LoopCond")
    }

    fn is_variable(&self, tensor: Option<&'a str>, merge: usize) -> bool {
        tensor.and_then(|tensor| self.origin(tensor)) == Some((merge, 0))
    }

    fn is_invariant(&self, merge: usize) -> bool {
        self.is_variable(self.after(merge), merge)
    }

    /// True if a tensor is a constant of this one integer.
    fn is_number(&self, tensor: Option<&'a str>, wanted: i64) -> bool {
        let Some((node, _)) = tensor.and_then(|tensor| self.source(tensor)) else { return false };
        let value = self.nodes[node].attr.get("value").and_then(|value| value.value.as_ref());
        let Some(Value::Tensor(value)) = value.filter(|_| self.nodes[node].op == "Const") else {
            return false;
        };
        let mut shape = value.tensor_shape.iter().flat_map(|shape| &shape.dim);
        if shape.any(|dim| dim.size != 1) {
            return false;
        }
        let tensor = constant::tensor(value, &mut Expansion::for_file(0));
        tensor.is_ok_and(|tensor| {
            tensor.len() == 1 && !tensor.dtype().is_float() && tensor.to_i64() == [wanted]
        })
    }

    /// True if a variable begins with 0 and grows by 1.
    fn is_counter(&self, merge: usize) -> bool {
        let Some((sum, _)) = self.after(merge).and_then(|tensor| self.origin(tensor)) else {
            return false;
        };
        let (a, b) = (self.input(sum, 0), self.input(sum, 1));
        let adds_one = (self.is_variable(a, merge) && self.is_number(b, 1))
            || (self.is_variable(b, merge) && self.is_number(a, 1));
        matches!(self.nodes[sum].op.as_str(), "Add" | "AddV2")
            && adds_one
            && self.is_number(self.start(merge), 0)
    }

    fn is_index(&self, tensor: Option<&'a str>) -> bool {
        let origin = tensor.and_then(|tensor| self.origin(tensor));
        let variable = origin.and_then(|(node, _)| self.variables.get(&node));
        variable.is_some_and(|variable| variable.kind == Kind::Counter)
    }

    /// True if each turn writes the variable's element of the counter's number.
    fn is_list(&self, merge: usize) -> bool {
        let Some((write, _)) = self.after(merge).and_then(|tensor| self.origin(tensor)) else {
            return false;
        };
        let (list, index) = match self.nodes[write].op.as_str() {
            "TensorArrayWriteV3" => (3, 1),
            "TensorListSetItem" => (0, 1),
            _ => return false,
        };
        self.is_variable(self.input(write, list), merge) && self.is_index(self.input(write, index))
    }

    /// True if a node reads the counter's element of a list that a tensor was made.
    fn is_element(&self, read: usize) -> bool {
        let list = if self.nodes[read].op == "TensorListGetItem" { 0 } else { 2 };
        let source = self.input(read, list).and_then(|tensor| self.source(tensor));
        let is_of_tensor = source.is_some_and(|(node, _)| {
            matches!(self.nodes[node].op.as_str(), "TensorListFromTensor" | "TensorArrayScatterV3")
        });
        is_of_tensor && self.is_index(self.input(read, 1))
    }

    /// Returns what becomes of every node of the loops.
    fn all_steps(&self) -> Option<Vec<(usize, Step)>> {
        let read = read_by_value(self.nodes);
        let mut steps = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let input = |i: usize| self.input(index, i).map(str::to_owned);
            let step = match node.op.as_str() {
                "Enter" | "NextIteration" | "TensorListFromTensor" | "TensorListStack" => {
                    Step::Same(input(0)?)
                }
                "TensorArrayScatterV3" | "TensorArrayGatherV3" => Step::Same(input(2)?),
                "TensorListGetItem" => Step::Element(input(0)?),
                "TensorArrayReadV3" => Step::Element(input(2)?),
                "TensorListSetItem" | "TensorArrayWriteV3" => Step::ListOf(input(2)?),
                "Merge" if self.variables.contains_key(&index) => {
                    Step::Same(self.start(index)?.to_owned())
                }
                "Switch" if self.of_loop(index) => Step::Same(input(0)?),
                "Exit" if read.contains(node.name.as_str()) => Step::Same(self.result(index)?),
                "Exit" | "LoopCond" => Step::Removed,
                _ => continue,
            };
            steps.push((index, step));
        }
        Some(steps)
    }

    /// Returns the tensor that leaves a loop at an Exit: that of its variable after the turn.
    fn result(&self, exit: usize) -> Option<String> {
        let (switch, _) = self.node_of(self.input(exit, 0)?)?;
        let (merge, _) = self.node_of(self.input(switch, 0)?)?;
        self.after(merge).map(str::to_owned)
    }
}

/// Returns the names of the nodes whose values others read.
fn read_by_value(nodes: &[NodeDef]) -> HashSet<String> {
    let inputs = nodes.iter().flat_map(|node| &node.input);
    let tensors = inputs.filter(|input| !input.starts_with('^'));
    tensors.map(|input| split_port(input).0.to_owned()).collect()
}

/// Removes the nodes that were read before and are not now, which only made the loops turn.
fn without_unread(mut nodes: Vec<NodeDef>, read_before: &HashSet<String>) -> Vec<NodeDef> {
    let by_name: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
    let sources: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| {
            let tensors = node.input.iter().filter(|input| !input.starts_with('^'));
            tensors.filter_map(|input| by_name.get(split_port(input).0).copied()).collect()
        })
        .collect();
    let mut readers = vec![0usize; nodes.len()];
    sources.iter().flatten().for_each(|&source| readers[source] += 1);
    let is_left = |index: &usize| read_before.contains(&nodes[*index].name);
    let mut unread: Vec<usize> =
        (0..nodes.len()).filter(|&index| readers[index] == 0).filter(is_left).collect();
    let mut removed = vec![false; nodes.len()];
    while let Some(node) = unread.pop() {
        removed[node] = true;
        for &source in &sources[node] {
            readers[source] -= 1;
            if readers[source] == 0 {
                unread.push(source);
            }
        }
    }
    let mut removed = removed.into_iter();
    nodes.retain(|_| !removed.next().unwrap_or(false));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{TensorProto, TensorShapeProto};

    fn node(name: &str, op: &str, input: &[&str]) -> NodeDef {
        NodeDef {
            name: name.into(),
            op: op.into(),
            input: input.iter().map(|&input| input.into()).collect(),
            ..NodeDef::default()
        }
    }

    fn integer(name: &str, value: i32) -> NodeDef {
        let tensor = TensorProto {
            dtype: 3,
            tensor_shape: Some(TensorShapeProto::default()),
            int_val: vec![value],
            ..TensorProto::default()
        };
        let value = AttrValue { value: Some(Value::Tensor(Box::new(tensor))) };
        let attr = [("value".to_owned(), value)].into();
        NodeDef { attr, ..node(name, "Const", &[]) }
    }

    /// A loop that writes `written` for each picture of `pictures`.
    fn map(written: &str) -> Vec<NodeDef> {
        vec![
            node("pictures", "Placeholder", &[]),
            integer("zero", 0),
            integer("one", 1),
            node("count", "Shape", &["pictures"]),
            node("elements", "TensorListFromTensor", &["pictures", "zero"]),
            node("results", "TensorListReserve", &["zero", "count"]),
            node("enter_i", "Enter", &["zero"]),
            node("enter_results", "Enter", &["results"]),
            node("enter_elements", "Enter", &["elements"]),
            node("enter_count", "Enter", &["count"]),
            node("i", "Merge", &["enter_i", "next_i"]),
            node("list", "Merge", &["enter_results", "next_list"]),
            node("less", "Less", &["i", "enter_count"]),
            node("condition", "LoopCond", &["less"]),
            node("switch_i", "Switch", &["i", "condition"]),
            node("switch_list", "Switch", &["list", "condition"]),
            node("index", "Identity", &["switch_i:1"]),
            node("sum", "AddV2", &["index", "one"]),
            node("element", "TensorListGetItem", &["enter_elements", "index", "zero"]),
            node("body", "Relu", &["element"]),
            node("write", "TensorListSetItem", &["switch_list:1", "index", written]),
            node("next_i", "NextIteration", &["sum"]),
            node("next_list", "NextIteration", &["write"]),
            node("exit_i", "Exit", &["switch_i"]),
            node("exit", "Exit", &["switch_list"]),
            node("stack", "TensorListStack", &["exit", "zero"]),
            node("answer", "Softmax", &["stack"]),
        ]
    }

    fn named<'a>(nodes: &'a [NodeDef], name: &str) -> &'a NodeDef {
        nodes.iter().find(|node| node.name == name).expect("a node")
    }

    #[test]
    fn the_body_of_a_map_takes_its_place() {
        let nodes = without_maps(map("body"));
        let shape = |name: &str| {
            let node = named(&nodes, name);
            (node.op.clone(), node.input.clone())
        };
        assert_eq!(shape("element"), ("Squeeze".into(), vec!["enter_elements".into()]));
        assert_eq!(shape("enter_elements"), ("Identity".into(), vec!["elements".into()]));
        assert_eq!(shape("elements"), ("Identity".into(), vec!["pictures".into()]));
        assert_eq!(shape("write"), ("Pack".into(), vec!["body".into()]));
        assert_eq!(shape("exit"), ("Identity".into(), vec!["write".into()]));
        assert_eq!(shape("stack"), ("Identity".into(), vec!["exit".into()]));
        for left in ["condition", "less", "exit_i", "count", "results", "index"] {
            assert!(nodes.iter().all(|node| node.name != left), "{left}");
        }
    }

    #[test]
    fn other_loops_stay() {
        let changed = |name: &str, change: &dyn Fn(&mut NodeDef)| {
            let mut nodes = map("body");
            change(nodes.iter_mut().find(|node| node.name == name).unwrap());
            let after = without_maps(nodes.clone());
            assert_eq!(after, nodes, "{name}");
        };
        // A sum over turns, elements of another number, a list that is read back, steps of two.
        changed("write", &|node| node.op = "Add".into());
        changed("element", &|node| node.input[1] = "zero".into());
        changed("element", &|node| node.input[0] = "switch_list:1".into());
        changed("sum", &|node| node.input[1] = "index".into());
        changed("enter_i", &|node| node.input[0] = "one".into());
    }
}
