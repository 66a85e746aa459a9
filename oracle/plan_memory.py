"""Peak memory of the program when it classifies a photo with a quantised VGG-16 from its plan file.

    python3 oracle/plan_memory.py WORK_DIR --lorgnette target/release/lorgnette --photos photos

The weights are made up and take 138 MB as int8. The peak, mapped weights and all, must be below 200 MB.
"""
import argparse
import os
import pathlib
import subprocess
import time

LIMIT_MB = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--photos', type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    plan = arguments.work / 'vgg_16.plan'
    plan.unlink(missing_ok=True)
    quantise = [arguments.lorgnette, 'models', 'quantise', 'vgg_16', '--random-weights', '--calibrate', arguments.photos, '--ranges', 'whole',
                '--min-agreement', '0', '--out', plan]
    subprocess.run(quantise, check=True, stdout=subprocess.DEVNULL)
    photo = sorted(arguments.photos.glob('*.jpg'))[0]
    started = time.monotonic()
    process = subprocess.Popen([arguments.lorgnette, 'classify', photo, '--model', plan, '--format', 'json'], stdout=subprocess.PIPE, text=True)
    answer = process.stdout.read()
    # The usage of this process alone.
    _, status, usage = os.wait4(process.pid, 0)
    seconds, peak = time.monotonic() - started, usage.ru_maxrss * 1024 / 1e6
    assert status == 0 and '"predictions"' in answer, answer
    print(f'{plan.stat().st_size / 1e6:.0f} MB of plan file, {peak:.0f} MB at the peak, {seconds:.2f} s')
    plan.unlink()
    assert peak < LIMIT_MB, f'{peak:.0f} MB at the peak, where {LIMIT_MB} are allowed'


if __name__ == '__main__':
    main()
