"""Event files of networks in real TensorBoard: every node is found, and on request the page is photographed.

    DIR/bin/python oracle/tensorboard_graph.py WORK --lorgnette target/release/lorgnette [--screenshot PNG]

For five networks `lorgnette graph --logdir` writes an event file; TensorBoard is started on them and asked, over HTTP as
its page asks, for each graph. Its nodes, operations, inputs and shapes are compared with the graph in the event file as
TensorFlow reads it, and for networks of the zoo with the names of their variables and end points. `--screenshot` also opens the
page in Chromium (chromium and chromedriver must be installed, and selenium in the environment).
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import tensorflow as tf
from google.protobuf import text_format

NETWORKS = {
    'vgg_16': 'vgg_16/fc7/Conv2D',
    'inception_v3': 'InceptionV3/InceptionV3/Mixed_7c/concat',
    'resnet_v1_50': 'resnet_v1_50/block4/unit_3/bottleneck_v1/conv3/Conv2D',
    'nasnet_mobile': 'cell_11/comb_iter_0/combine/add',
    'mobilenet_v1_1.0_224': 'MobilenetV1/Predictions/Softmax',
}


def graph_in(folder):
    """The graph as TensorFlow reads it from the only event file of a folder."""
    path, = folder.glob('*tfevents*')
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        if event.WhichOneof('what') == 'graph_def':
            graph = tf.compat.v1.GraphDef()
            graph.ParseFromString(event.graph_def)
            return graph, path.stat().st_size
    raise SystemExit(f'{path} has no graph')


def free_port():
    with socket.socket() as opened:
        opened.bind(('127.0.0.1', 0))
        return opened.getsockname()[1]


def fetch(url, seconds=60):
    """What a server answers, once it does."""
    return fetch_bytes(url, seconds).decode()


def fetch_bytes(url, seconds=60):
    """The same, whatever it is."""
    until = time.time() + seconds
    while True:
        try:
            return urllib.request.urlopen(url, timeout=30).read()
        except OSError:
            if time.time() > until:
                raise
            time.sleep(0.5)


def shape_of(node):
    shapes = node.attr['_output_shapes'].list.shape
    return [dim.size for dim in shapes[0].dim] if shapes else None


def compare(name, shown, graph):
    """The nodes that TensorBoard shows against those of the event file."""
    ours = {node.name: node for node in graph.node}
    theirs = {node.name: node for node in shown.node}
    assert ours.keys() == theirs.keys(), f'{name}: {len(ours)} nodes, TensorBoard shows {len(theirs)}'
    for key, node in ours.items():
        assert (node.op, list(node.input), shape_of(node)) == (theirs[key].op, list(theirs[key].input), shape_of(theirs[key])), key
    dangling = [i for node in ours.values() for i in node.input if re.sub(r'^\^|:\d+$', '', i) not in ours]
    assert not dangling, dangling
    shaped = sum(shape_of(node) is not None for node in ours.values())
    assert NETWORKS[name] in ours, NETWORKS[name]
    return shaped


def photograph(url, path):
    """The graph page, once it is drawn."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    options = Options()
    options.binary_location = shutil.which('chromium')
    for flag in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--window-size=1400,900',
                 '--disable-background-networking', '--disable-component-update', '--disable-sync'):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which('chromedriver')))
    driver.get(url)
    time.sleep(20)
    # The scopes of the network and of its base are opened, as a reader does it with two double clicks.
    for scope in ('InceptionV3', 'InceptionV3/InceptionV3'):
        driver.execute_script(OPEN_SCOPE, scope)
        time.sleep(5)
    driver.execute_script(FIT)
    time.sleep(4)
    driver.save_screenshot(str(path))
    driver.quit()


# TensorBoard's page is made of web components: what is looked for is in their shadows.
DEEP = '''
const deep = (root, wanted, found = []) => {
  for (const element of root.querySelectorAll('*')) {
    if (element.matches(wanted)) found.push(element);
    if (element.shadowRoot) deep(element.shadowRoot, wanted, found);
  }
  return found;
};
'''
OPEN_SCOPE = DEEP + '''
const named = deep(document, 'g.node').find(g => g.getAttribute('data-name') === arguments[0]);
named.querySelector('.nodeshape > *').dispatchEvent(new MouseEvent('dblclick', {bubbles: true, composed: true}));
'''
FIT = DEEP + '''
const button = deep(document, 'paper-button, .icon-button, #fit, button').find(b => /fit/i.test(b.id + b.textContent));
if (button) button.click();
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--screenshot', type=pathlib.Path)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    for name in NETWORKS:
        words = [arguments.lorgnette, 'graph', name, '--logdir', str(arguments.work / name)]
        subprocess.run(words, check=True, capture_output=True)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, '-m', 'tensorboard.main', '--logdir', str(arguments.work), '--port', str(port), '--load_fast=false'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f'http://127.0.0.1:{port}/data/plugin/graphs'
        until = time.time() + 90
        while not all(f'"{name}"' in fetch(f'{base}/info') for name in NETWORKS):
            assert time.time() < until, 'TensorBoard does not find all graphs'
            time.sleep(1)
        for name in NETWORKS:
            graph, size = graph_in(arguments.work / name)
            shown = text_format.Parse(fetch(f'{base}/graph?run={name}&conceptual=false&limit_attr_size=1024&large_attrs_key=_too_large_attrs'), tf.compat.v1.GraphDef())
            shaped = compare(name, shown, graph)
            print(f'{name:24} {len(graph.node):5} nodes, all found; {shaped} with their shapes; {size} bytes', flush=True)
        if arguments.screenshot:
            photograph(f'http://127.0.0.1:{port}/#graphs&run=inception_v3', arguments.screenshot)
    finally:
        server.terminate()


if __name__ == '__main__':
    main()
