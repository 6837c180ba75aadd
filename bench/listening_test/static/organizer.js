// Opens, pauses and closes the test.
"use strict";

for (const button of document.querySelectorAll("button[data-state]")) {
  button.addEventListener("click", async () => {
    const response = await fetch("organizer/state", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ state: button.dataset.state }),
    });
    if (response.ok) location.reload();
    else document.getElementById("status").textContent = `The test was not changed (${response.status}).`;
  });
}
