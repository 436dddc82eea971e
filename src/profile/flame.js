/* Tabs, zoom, search and details of a flame graph. The picture can be read without this. */
(function () {
	"use strict";
	var NS = "http://www.w3.org/2000/svg", MARGIN = 16, PAD = 8;
	var root = document.currentScript ? document.currentScript.closest("svg") : document.documentElement;
	var alone = root === document.documentElement;
	var sections = [], shown = 0, charWidth = 7.23;

	function find(id) { return root.querySelector("#" + id); }
	function first(e, name) {
		for (var c = e.firstElementChild; c; c = c.nextElementSibling)
			if (c.localName === name) return c;
		return null;
	}

	function box(e) {
		var title = first(e, "title").textContent;
		return { e: e, title: title, label: title.split("\n")[0], low: title.toLowerCase(),
			x: parseFloat(e.getAttribute("x")) / 100, w: parseFloat(e.getAttribute("width")) / 100,
			y: parseFloat(e.getAttribute("y")) };
	}

	function section(g) {
		var area = first(g, "svg"), boxes = [];
		for (var e = area ? area.firstElementChild : null; e; e = e.nextElementSibling)
			if (e.localName === "svg") boxes.push(box(e));
		return { g: g, area: area, boxes: boxes, zoom: { x: 0, w: 1, y: -1 },
			top: parseFloat(g.getAttribute("data-y")), height: parseFloat(g.getAttribute("data-h")) };
	}

	function fit(b, pixels) {
		var text = first(b.e, "text"), room = Math.floor((pixels - PAD) / charWidth);
		var label = b.label.length <= room ? b.label : b.label.slice(0, Math.max(room - 1, 0)) + "\u2026";
		if (!text && room >= 3) {
			text = document.createElementNS(NS, "text");
			text.setAttribute("x", 4);
			text.setAttribute("y", 13);
			b.e.appendChild(text);
		}
		if (text) text.textContent = room >= 3 ? label : "";
	}

	function width() { return alone ? Math.max(window.innerWidth, 1200) : 1200; }

	function layout(s) {
		var z = s.zoom, pixels = width() - 2 * MARGIN;
		if (!s.area) return;
		s.area.setAttribute("width", pixels);
		s.boxes.forEach(function (b) {
			var above = b.y < z.y && b.x <= z.x + 1e-9 && b.x + b.w >= z.x + z.w - 1e-9;
			var x = above ? 0 : (b.x - z.x) / z.w, w = above ? 1 : b.w / z.w;
			var seen = above || (b.y >= z.y && x > -1e-6 && x < 1 - 1e-9);
			b.e.style.display = seen ? "" : "none";
			b.e.style.opacity = above ? 0.55 : "";
			if (!seen) return;
			b.e.setAttribute("x", x * 100 + "%");
			b.e.setAttribute("width", w * 100 + "%");
			first(b.e, "rect").classList.toggle("n", w * pixels < 3);
			fit(b, w * pixels);
		});
	}

	function show(n) {
		shown = n;
		sections.forEach(function (s, i) {
			s.g.style.display = i === n ? "" : "none";
			s.g.setAttribute("transform", "translate(0," + (sections[0].top - s.top) + ")");
			find("tab" + i).setAttribute("class", i === n ? "on" : "off");
		});
		var height = sections[0].top + sections[n].height + 16;
		if (alone) {
			root.removeAttribute("viewBox");
			root.setAttribute("width", width());
		} else {
			root.setAttribute("viewBox", "0 0 1200 " + height);
		}
		root.setAttribute("height", height);
		layout(sections[n]);
	}

	function zoom(b) {
		sections[shown].zoom = { x: b.x, w: b.w, y: b.y };
		layout(sections[shown]);
	}

	function reset() {
		sections.forEach(function (s) { s.zoom = { x: 0, w: 1, y: -1 }; });
		mark("");
		layout(sections[shown]);
	}

	function mark(term) {
		var low = term.toLowerCase(), covered = 0, until = -1;
		sections.forEach(function (s) {
			s.boxes.forEach(function (b) {
				b.hit = low !== "" && b.low.indexOf(low) >= 0;
				b.e.classList.toggle("hit", b.hit);
			});
		});
		sections[shown].boxes.filter(function (b) { return b.hit; })
			.sort(function (a, b) { return a.x - b.x || b.w - a.w; })
			.forEach(function (b) {
				if (b.x + b.w <= until + 1e-9) return;
				covered += b.w;
				until = b.x + b.w;
			});
		tell(term === "" ? "" : "\u201c" + term + "\u201d is in " + (covered * 100).toFixed(1) + " % of the bytes");
	}

	function tell(text) { find("detail").textContent = text; }

	function search() {
		var term = window.prompt("Show functions and files whose name contains:", "");
		if (term !== null) mark(term);
	}

	function boxAt(target) {
		var e = target.closest ? target.closest("svg.b") : null;
		return e ? sections[shown].boxes.filter(function (b) { return b.e === e; })[0] : null;
	}

	function button(id, action) {
		var e = find(id);
		e.addEventListener("click", action);
		e.addEventListener("keydown", function (k) {
			if (k.key === "Enter" || k.key === " ") { k.preventDefault(); action(); }
		});
	}

	function measure() {
		var probe = document.createElementNS(NS, "text");
		probe.setAttribute("class", "code");
		probe.textContent = "abcdefghij";
		root.appendChild(probe);
		charWidth = probe.getComputedTextLength() / 10 || charWidth;
		root.removeChild(probe);
	}

	function start() {
		sections = [section(find("s0")), section(find("s1"))];
		find("controls").style.display = "";
		measure();
		button("tab0", function () { show(0); });
		button("tab1", function () { show(1); });
		button("search", search);
		button("reset", reset);
		root.addEventListener("click", function (c) { var b = boxAt(c.target); if (b) zoom(b); });
		root.addEventListener("mouseover", function (m) {
			var b = boxAt(m.target);
			if (b) tell(b.title.replace(/\n/g, "  \u00b7  "));
		});
		window.addEventListener("keydown", function (k) {
			if (!alone || k.ctrlKey || k.metaKey || k.altKey) return;
			if (k.key === "/") { k.preventDefault(); search(); }
			if (k.key === "Escape") reset();
		});
		if (alone) window.addEventListener("resize", function () { show(shown); });
		show(0);
	}

	start();
})();
