"""TensorFlow's own tools that rewrite a frozen graph, each as a function (graph_def, inputs, outputs) -> graph_def."""
import fixtures  # noqa: F401  (sets TensorFlow up)
import tensorflow as tf
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.tools import optimize_for_inference_lib

tf1 = tf.compat.v1


def remove_training_nodes(graph_def, _inputs, outputs):
    """Drops Identity and CheckNumerics, as freeze scripts did."""
    return tf1.graph_util.remove_training_nodes(graph_def, protected_nodes=outputs)


def extract_subgraph(graph_def, _inputs, outputs):
    """Keeps only what the outputs need."""
    return tf1.graph_util.extract_sub_graph(graph_def, outputs)


def optimize_for_inference(graph_def, inputs, outputs):
    """Folds batch norms, fuses resize and pad with convolution, drops training nodes."""
    kinds = {node.name: node.attr['dtype'].type for node in graph_def.node}
    return optimize_for_inference_lib.optimize_for_inference(graph_def, inputs, outputs, [kinds[name] for name in inputs])


def grappler(*optimizers):
    """Grappler, with the named optimizers or, without names, all it would run itself."""

    def rewrite(graph_def, _inputs, outputs):
        return tf_optimizer.OptimizeGraph(grappler_config(optimizers), grappler_item(graph_def, outputs))

    return rewrite


def grappler_config(optimizers):
    """A session configuration that makes Grappler work on small graphs too."""
    config = tf1.ConfigProto()
    options = config.graph_options.rewrite_options
    options.min_graph_nodes = -1
    options.optimizers.extend(optimizers)
    return config


def grappler_item(graph_def, outputs):
    """The MetaGraph Grappler wants. Its remapper only touches nodes that say they are on the CPU."""
    with tf1.Graph().as_default() as graph, tf1.device('/device:CPU:0'):
        tf1.import_graph_def(graph_def, name='')
        meta_graph = tf1.train.export_meta_graph(graph=graph)
    for node in meta_graph.graph_def.node:
        node.device = '/device:CPU:0'
    meta_graph.collection_def['train_op'].node_list.value.extend(outputs)
    return meta_graph
