slider_page = None
