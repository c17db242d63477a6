"""The page that people see in a browser: HTML, CSS and JavaScript, which need no build step."""
