// Before anything is drawn: the look that was chosen, where one was.
(() => {
  const chosen = localStorage.getItem('attune-theme');
  if (chosen === 'light' || chosen === 'dark') {
    document.documentElement.dataset.theme = chosen;
  }
})();
