"""Makes crates/lorgnette/tests/pull/mobilenet_v1_0.25_128.tgz: a whole checkpoint of that network in a few kilobytes.

All variables are zero but the variances, which are one. Usage: blank_model.py mobilenet_v1_025.json OUT.tgz
"""
import io
import json
import os
import sys
import tarfile
import tempfile

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
import numpy as np
import tensorflow as tf

source, out = sys.argv[1:]
variables = json.load(open(source))['variables']
shapes = variables.items() if isinstance(variables, dict) else [(v['name'], v['shape']) for v in variables]
names, values = [], []
for name, shape in shapes:
    shape = shape['shape'] if isinstance(shape, dict) else shape
    names.append(name.removesuffix(':0'))
    values.append(np.full(shape, name.split('/')[-1].startswith('moving_variance'), np.float32))
with tempfile.TemporaryDirectory() as folder:
    prefix = os.path.join(folder, 'mobilenet_v1_0.25_128.ckpt')
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[''] * len(names), tensors=values)
    with tarfile.open(out, 'w:gz', compresslevel=9) as archive:
        for file in sorted(os.listdir(folder)):
            content = open(os.path.join(folder, file), 'rb').read()
            member = tarfile.TarInfo('./' + file)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
