// TUFClient
