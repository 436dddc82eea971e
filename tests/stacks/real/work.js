// Ordinary work in JavaScript and in node's own native parts: says "ready" once it is warm, ends
// with its input.
'use strict';
const zlib = require('zlib');
const crypto = require('crypto');
const fs = require('fs');
const sessions = new Map();
let n = 0;

function nest(depth, i) {
	return depth ? { left: nest(depth - 1, i), buffer: Buffer.alloc(9000 + i % 100) } : i;
}

function request(i) {
	const items = Array.from({ length: i % 50 }, (_, k) => 'item ' + k);
	const body = JSON.stringify({ id: i, items });
	const raw = Buffer.concat([Buffer.from('POST / HTTP/1.1\r\n\r\n'), Buffer.from(body)]);
	const parsed = JSON.parse(raw.toString('utf8', raw.indexOf('\r\n\r\n') + 4));
	sessions.set(i % 1000, [parsed, nest(i % 8, i)]);
	return zlib.gunzipSync(zlib.gzipSync(body)).length +
		crypto.createHash('sha256').update(body).digest().length;
}

function step() {
	for (let i = 0; i < 5; i++)
		request(n * 5 + i);
	[5, 2, 9].sort((a, b) => Buffer.alloc(8200).length + a - b);
	new RegExp('a' + n + '+b*').test('aaa' + n);
	fs.readFile(__filename, (e, data) => sessions.set('file', data));
	fs.readdirSync('/proc/self/fd');
	if (++n === 200)
		console.log('ready');
}

setInterval(step, 10);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
