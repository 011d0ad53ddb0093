# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key server and its viewer."""

import base64
import json
import os
import tempfile
import time

from check_video_server import CAMERA, MICROPHONE, settings, video_server
from harness import CHROMIUM, MODULES, Caller, check, check_at_least, check_equal, wait_until
from programs import ROOT, Program, ask, metrics, wait_up


def key_server(bench, text, **variables):
    return Program(bench, 'key-server', 'livekit-key-server', text, **variables)


def start_key_server(bench, **more):
    """A key server with the keys of the test server; returns its URL."""
    values = {'LISTEN': '127.0.0.1:0', 'LIVEKIT_SERVER': bench.url, **more}
    if 'KEY_FILE' not in values:
        values.update(API_KEY='devkey', API_SECRET='secret')
    text = ''.join('%s: %s\n' % (name, json.dumps(value)) for name, value in values.items())
    bench.key_server = key_server(bench, text)
    url = 'http://127.0.0.1:%d/' % bench.key_server.wait_port()
    wait_up(url + 'health')
    return url


def claims(token):
    payload = token.split('.')[1]
    return json.loads(base64.urlsafe_b64decode(payload + '=' * (-len(payload) % 4)))


def post(url, **members):
    return ask(url + 'token', 'POST', members, {'Content-Type': 'application/json'})


def test_key_server_tokens(bench):
    """Tokens in both forms, checked names, grants by name, CORS, and figures."""
    bench.url = 'ws://127.0.0.1:7880'
    url = start_key_server(bench, ROOM_PATTERN='room[0-9]+', CORS_ORIGINS='https://a.example, https://b.example')
    status, _, text = ask(url + 'token?identity=cam-1&room=room1')
    check_equal((status, list(json.loads(text))), (200, ['token']), 'answer')
    said = claims(json.loads(text)['token'])
    check_equal((said['sub'], said['video']['room'], said['video']['canPublish'], said['iss']),
                ('cam-1', 'room1', True, 'devkey'), 'claims')
    check(3500 < said['exp'] - time.time() <= 3601, 'valid for %s s', said['exp'] - time.time())
    status, _, text = post(url, room_name='room2', participant_identity='viewer-1', participant_name='Ann')
    check_equal((status, json.loads(text)['server_url']), (201, bench.url), 'answer to POST')
    said = claims(json.loads(text)['participant_token'])
    check_equal((said['sub'], said['name'], said['video']['canPublish'], said['video']['canSubscribe']),
                ('viewer-1', 'Ann', False, True), 'claims of a viewer')
    status, _, text = post(url, roomName='room2')
    check(claims(json.loads(text)['participant_token'])['sub'].startswith('viewer-'), 'no identity is made up')
    refused = [
        (ask(url + 'token?room=room1'), 400, 'identity not set\n'),
        (ask(url + 'token?identity=a'), 400, 'room not set\n'),
        (ask(url + 'token?identity=a&room=secret'), 403, 'this room is not allowed\n'),
        (ask(url + 'token?identity=a&room=room1%0A'), 403, 'this room is not allowed\n'),
        (ask(url + 'token?identity=a%2Fb&room=room1'), 403, 'this identity is not allowed\n'),
        (post(url, room_name='secret'), 403, 'this room is not allowed\n'),
        (post(url, room_name=['room1']), 400, 'room_name cannot be so, or may not be chosen here\n'),
        (post(url, room_name='room1', participant_metadata='x'), 400,
         'participant_metadata cannot be so, or may not be chosen here\n'),
        (ask(url + 'token', 'POST', b'{"room_name": "room1"'), 400, 'a JSON object is expected\n'),
        (ask(url + 'token', 'POST', b'["room1"]'), 400, 'a JSON object is expected\n'),
        (ask(url + 'token', 'POST', b' ' * 70000), 413, 'too long\n'),
        (ask(url + 'token', 'DELETE'), 405, 'only GET, POST, OPTIONS here\n'),
        (ask(url), 404, 'no such page\n'),
    ]
    for (status, _, text), wanted, words in refused:
        check_equal((status, text), (wanted, words), 'refusal')
    for origin, wanted in (('https://b.example', 'https://b.example'), ('https://c.example', None)):
        status, headers, _ = ask(url + 'token', 'OPTIONS', headers={'Origin': origin})
        check_equal((status, headers['Access-Control-Allow-Origin']), (204, wanted), 'CORS of ' + origin)
    values = metrics(url + 'metrics')
    check_equal((values['key_server_tokens_total'], values['key_server_refusals_total']), (3, 10), 'figures')
    check('eyJ' not in bench.key_server.printed(), 'a token is in the log')
    bench.key_server.stop()


def test_key_server_opens_rooms(bench):
    """A video server gets its token from it, by a key file, and is in the room."""
    bench.start_server()
    keys = bench.temporary / 'keys.yaml'
    keys.write_text('devkey: secret\n')
    keys.chmod(0o600)
    url = start_key_server(bench, KEY_FILE=str(keys))
    text = settings(bench, MICROPHONE + ' ! opusenc', TOKEN_SERVER=url[len('http://'):-1])
    program = video_server(bench, ''.join(line + '\n' for line in text.splitlines() if 'API' not in line))
    bench.wait_published('server', 1)
    program.stop()


def test_key_server_bad_settings(bench):
    """All that is wrong is told at once; exit code 2."""
    keys = bench.temporary / 'keys.yaml'
    keys.write_text('devkey: secret\n')
    keys.chmod(0o644)
    program = key_server(bench, 'KEY_FILE: %s\nLISTEN: here\nLIVEKIT_SERVER: http://x\nROOM_PATTERN: "("\n'
                         'TOKEN_SECONDS: 5\nVIEWER_FOLDER: /\n' % keys)
    check_equal(program.wait_end(), 2, 'exit code')
    printed = program.printed()
    file = str(bench.temporary / 'livekit-key-server.yaml')
    for text in ('%s: others may read the keys: chmod o= %s\n' % (keys, keys),
                 file + ':2: LISTEN: "here" is no address to listen on',
                 file + ':3: LIVEKIT_SERVER: a URL that begins with ws:// or wss:// is expected\n',
                 file + ':4: ROOM_PATTERN: ',
                 file + ':5: TOKEN_SECONDS must be a number from 60 to 2592000, not "5"\n',
                 file + ': VIEWER_MODULES: VIEWER_FOLDER (the page) and VIEWER_MODULES'):
        check(text in printed, 'not told: %s in\n%s', text, printed)
    check_equal(len(printed.splitlines()), 6, 'problems in\n' + printed)
    program = key_server(bench, 'API_KEY: a\nAPI_SECRET: b\nLIVEKIT_SERVER: "ws://"\nVIEWER_FOLDER: /nowhere\n'
                         'VIEWER_MODULES: /nowhere\n')
    check_equal(program.wait_end(), 2, 'exit code without a page')
    for text in (':3: LIVEKIT_SERVER: a URL that begins', ':4: VIEWER_FOLDER: there is no /nowhere/index.html\n',
                 ':5: VIEWER_MODULES: there is no /nowhere/livekit-client/'):
        check(file + text in program.printed(), 'not told: %s in\n%s', text, program.printed())
    nothing = key_server(bench, 'LISTEN: 127.0.0.1:0\n')
    check_equal(nothing.wait_end(), 2, 'exit code without keys')
    good = Program(bench, 'key-server', 'livekit-key-server', 'API_KEY: a\nAPI_SECRET: b\n', '--check', LOG_LEVEL='loud')
    check_equal(good.wait_end(), 0, 'exit code of a look at settings that are right')
    check('LOG_LEVEL is not one of' in good.printed() and 'port' not in good.printed(), 'printed: %s', good.printed())


def open_page(bench):
    check(CHROMIUM, 'no chromium in PATH: sh tests/run.sh installs it')
    profile = bench.stack.enter_context(tempfile.TemporaryDirectory(prefix='live-', ignore_cleanup_errors=True))
    command = ['node', str(ROOT / 'tests' / 'programs' / 'page.mjs'), CHROMIUM, profile]
    page = Caller(command, bench.folder / 'browser.log', dict(os.environ, NODE_PATH=str(MODULES)))
    bench.stack.callback(page.close)
    return page


def picture_sizes(page):
    return sorted((video['width'], video['height']) for video in page.call('videos'))


def layers(*sizes):
    branches = ['t. ! queue ! videoscale ! video/x-raw,width=%d,height=%d ! vp8enc deadline=1 cpu-used=16 '
                'target-bitrate=%d ! appsink name=sink_%s' % (*size, size[0] * 1000, name)
                for size, name in zip(sizes, 'lmh')]
    return CAMERA % sizes[-1] + ' ! tee name=t ' + ' '.join(branches)


def test_viewer_browser(bench):
    """The viewer at the sizes of a desktop and of a phone: tracks, figures, quality, pause, mute, full screen."""
    bench.start_server()
    url = start_key_server(bench, VIEWER_FOLDER=str(ROOT / 'examples' / 'viewer'), VIEWER_MODULES=str(MODULES))
    bars = CAMERA.replace('ball', 'smpte') % (640, 480)
    program = video_server(bench, settings(bench, layers((320, 180), (640, 360), (1280, 720)),
                                           bars + ' ! vp8enc deadline=1 cpu-used=16', MICROPHONE + ' ! opusenc',
                                           CLIENT_ID='yard'))
    bench.wait_published('yard', 3)
    page = open_page(bench)
    page.call('open', url, 1280, 800)
    page.call('screenshot', str(bench.folder / 'entry.png'))
    page.call('fill', '#room', bench.room)
    page.call('fill', '#name', 'Ann')
    page.call('clickTwice', '#entry button')
    wait_until(lambda: len(page.call('texts', '.tile')) == 3, 'three tracks are shown')
    check_equal(sorted(page.call('texts', '.who')), ['yard · yard-0', 'yard · yard-1', 'yard · yard-2'], 'names')
    wait_until(lambda: all('frames/s' in text and '0×0' not in text for text in page.call('texts', '.video .figures'))
               and 'bit/s' in page.call('texts', '.audio .figures')[0], 'the figures are shown')

    quality = '.video:nth-of-type(%d) .quality' % (page.call('texts', '.video .who').index('yard · yard-0') + 1)
    for value, heights in (('LOW', {180}), ('HIGH', {360, 720}), ('LOW', {180}), ('auto', {360, 720})):
        page.call('choose', quality, value)
        wait_until(lambda heights=heights: heights & {size[1] for size in picture_sizes(page)},
                   'a picture of quality ' + value)
    if page.call('texts', '#sound'):
        page.call('click', '#sound')
    page.call('click', '.audio .mute')
    check_equal(page.call('texts', '.audio .mute'), ['Unmute'], 'the button')
    page.call('click', '.video .pause')
    wait_until(lambda: page.call('texts', '.note') == ['Paused'], 'a note on the picture')
    page.call('click', '.video .pause')
    page.call('click', '.video .full')
    wait_until(lambda: page.call('isFull') == 'picture', 'full screen')
    page.call('screenshot', str(bench.folder / 'full.png'))
    page.call('leaveFull')
    take_pictures(bench, page)

    page.call('click', '#leave')
    wait_until(lambda: page.call('texts', '#entry'), 'the form is back')
    wait_until(lambda: list(bench.server.participants(bench.room)) == ['yard'], 'the viewer has left')
    check_equal(page.call('complaints'), [], 'errors of the page')
    page.call('open', url + '?room=no%2Froom', 390, 844)
    wait_until(lambda: 'cannot join: this room is not allowed' in page.call('texts', '#state'), 'a refusal is shown')
    program.stop()


def take_pictures(bench, page):
    for name, width, height in (('desktop', 1280, 800), ('phone', 390, 844)):
        page.call('resize', width, height)
        wait_until(lambda: all(0 < video['boxWidth'] <= width for video in page.call('videos')), 'the pictures fit')
        check_equal(page.call('overflow'), 0, 'pixels that stand out on the ' + name)
        before = page.call('videos')
        wait_until(lambda before=before: all(now['time'] > then['time'] + 1
                                             for now, then in zip(page.call('videos'), before)),
                   'the pictures move', 30)
        page.call('screenshot', str(bench.folder / (name + '.png')))
    bench.note('sizes: %s', picture_sizes(page))
    check_at_least(len(page.call('videos')), 2, 'pictures')
