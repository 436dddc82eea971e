// A small http service: parses what it gets, makes an answer of 2 kB as JSON and as a Buffer.
const http = require('http');
const items = Array.from({ length: 40 }, (_, i) => ({ id: i, name: 'item ' + i, price: i * 1.5 }));
const server = http.createServer((request, response) => {
	const url = new URL(request.url, 'http://localhost');
	const body = Buffer.from(JSON.stringify({ path: url.pathname, items }));
	response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
	response.end(body);
});
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
